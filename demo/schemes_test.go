// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// formOf is a request for alice's token, with further form fields.
func formOf(fields url.Values) url.Values {
	form := url.Values{"grant_type": {"demo"}, "user": {"alice"}, "resource": {"https://mail.contoso.example"}}
	for name, values := range fields {
		form[name] = values
	}
	return form
}

func TestTokenIsBoundToTheCertificateOrKeyItIsAskedFor(t *testing.T) {
	issuer := newIssuer(t)
	hash := encode(make([]byte, 32))
	for name, test := range map[string]struct {
		form      url.Values
		tokenType string
		cnf       string
	}{
		"certificate": {url.Values{"x5t": {hash}}, "Bearer", "map[x5t#S256:" + hash + "]"},
		"key":         {url.Values{"req_cnf": {encode([]byte(`{"kid":"` + hash + `","xms_ksl":"sw"}`))}}, "pop", "map[kid:" + hash + "]"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := client.RequestUnboundToken(context.Background(), tokenRequest(issuer, formOf(test.form)))
			if err != nil {
				t.Fatal(err)
			}
			claims, err := verify(t, issuer, token.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			if token.Type != test.tokenType || fmt.Sprint(claims["cnf"]) != test.cnf || claims["deviceid"] == nil {
				t.Errorf("token_type %s, cnf %v, deviceid %v", token.Type, claims["cnf"], claims["deviceid"])
			}
		})
	}
}

func TestRefusesConfirmationsThatNameNothing(t *testing.T) {
	hash := encode(make([]byte, 32))
	for name, form := range map[string]url.Values{
		"both":                  {"x5t": {hash}, "req_cnf": {encode([]byte(`{"kid":"` + hash + `"}`))}},
		"short hash":            {"x5t": {hash[:42]}},
		"hash in hex":           {"x5t": {strings.Repeat("0", 64)}},
		"req_cnf not base64url": {"req_cnf": {`{"kid":"` + hash + `"}`}},
		"req_cnf not JSON":      {"req_cnf": {hash}},
		"req_cnf without kid":   {"req_cnf": {encode([]byte(`{}`))}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.RequestUnboundToken(context.Background(), tokenRequest(newIssuer(t), formOf(form)))
			var refused *client.TokenError
			if !errors.As(err, &refused) || refused.Code != "invalid_request" {
				t.Errorf("error %v", err)
			}
		})
	}
}

// newTestCast is the cast in front of the given Exchange.
func newTestCast(t *testing.T, exchange http.Handler) *cast {
	t.Helper()
	c, err := newCast(t.Context(), endpoints, unprotected(t, func(http.Handler) http.Handler { return exchange }))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSignerAnswersANonceChallengeOnce(t *testing.T) {
	for name, test := range map[string]struct {
		takes string // the nonce that the server takes
		asked int
		want  int
	}{
		"taken":     {"n1", 2, http.StatusOK},
		"not taken": {"n2", 2, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			c := newTestCast(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				claims := jwt.MapClaims{}
				if _, _, err := jwt.NewParser().ParseUnverified(strings.TrimPrefix(r.Header.Get("Authorization"), "PoP "), claims); err != nil {
					t.Error(err)
				}
				if claims["nonce"] != test.takes {
					w.Header().Set("WWW-Authenticate", `PoP nonce="n1"`)
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			owa := func(c *cast) string { return c.Exchange + "/owa/" }
			got, err := signed(erin, owa)(t.Context(), c)
			if err != nil || got.status != test.want || !got.nonceChallenge || asked != test.asked {
				t.Errorf("status %d, %v, challenged %v, %d requests", got.status, err, got.nonceChallenge, asked)
			}
			if _, err := replaySigned(erin, owa)(t.Context(), c); errors.Is(err, errNothingRecorded) != (test.want != http.StatusOK) {
				t.Errorf("recorded: %v", err)
			}
		})
	}
}

// TestCertificateIsShown over a real connection: it is the one that the token
// of dave's names, and the thief's is another one.
func TestCertificateIsShown(t *testing.T) {
	shown := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		hash := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
		shown <- encode(hash[:])
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	c := newTestCast(t, Exchange())
	c.plain = server.Client()
	own, err := selfSigned("dave")
	if err != nil {
		t.Fatal(err)
	}
	device := &certified{"a token", c.showing(own)}
	defer device.client.CloseIdleConnections()
	got, err := withCertificate(func(*cast) *certified { return device }, func(*cast) string { return server.URL })(t.Context(), c)
	hash := sha256.Sum256(own.Certificate[0])
	if err != nil || got.status != http.StatusOK || <-shown != encode(hash[:]) {
		t.Errorf("status %d, %v, or another certificate", got.status, err)
	}
}

func TestTrustsTheAuthorityOfItsEndpoints(t *testing.T) {
	server := httptest.NewTLSServer(Exchange())
	defer server.Close()
	folder := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trusting, err := Endpoints{Authority: file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))}.client()
	if err != nil {
		t.Fatal(err)
	}
	defer trusting.CloseIdleConnections()
	response, err := trusting.Get(server.URL + "/owa/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	for _, path := range []string{file("empty.pem", nil), filepath.Join(folder, "missing.pem")} {
		if _, err := Run(t.Context(), os.Stderr, On, Endpoints{Authority: path}, nil); err == nil || !strings.Contains(err.Error(), "authority") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if hints := CurlHints(Endpoints{Authority: "/tmp/ca.pem", Exchange: "https://localhost:1"}); strings.Count(hints, "curl --cacert /tmp/ca.pem -i https://localhost:1/owa/") != 2 {
		t.Errorf("curl is not told the authority:\n%s", hints)
	}
}
