// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestRequestsABoundTokenWithAProofForTheTokenEndpoint(t *testing.T) {
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = r
		fmt.Fprint(w, `{"access_token":"at","token_type":"DPoP","expires_in":300}`)
	}))
	defer server.Close()
	token, err := generate(t, ES256).RequestToken(context.Background(), TokenRequest{
		Endpoint: server.URL + "/token", ClientID: "app", Form: url.Values{"resource": {"https://mail.example"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Token{AccessToken: "at", Type: "DPoP", ExpiresIn: 5 * time.Minute}); token != want {
		t.Errorf("token %v, want %v", token, want)
	}
	if form := got.PostForm.Encode(); form != "client_id=app&grant_type=client_credentials&resource=https%3A%2F%2Fmail.example" {
		t.Errorf("form %s", form)
	}
	_, claims := verify(t, got.Header.Get("DPoP"))
	if claims["htm"] != "POST" || claims["htu"] != server.URL+"/token" || claims["ath"] != nil {
		t.Errorf("claims %v", claims)
	}
}

func TestUnboundRequestsCarryNoProof(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		fmt.Fprint(w, `{"access_token":"at","token_type":"Bearer"}`)
	}))
	defer server.Close()
	token, err := RequestUnboundToken(context.Background(), TokenRequest{Endpoint: server.URL, ClientID: "a b", ClientSecret: "s:t"})
	if err != nil || token.Type != "Bearer" {
		t.Fatalf("token %v, %v", token, err)
	}
	if got.Get("DPoP") != "" {
		t.Error("a proof was sent")
	}
	// RFC 6749, section 2.3.1: both parts are form-encoded before Basic.
	if want := "Basic YStiOnMlM0F0"; got.Get("Authorization") != want {
		t.Errorf("Authorization %q, want %q", got.Get("Authorization"), want)
	}
}

func TestRetriesTheTokenRequestOnceForANonce(t *testing.T) {
	for _, test := range []struct {
		name          string
		status        int
		code, nonce   string
		grantsAt      int // the request that is granted
		requests      int
		wantErrorCode string
	}{
		{"nonce demanded once", 400, "use_dpop_nonce", "n1", 2, 2, ""},
		{"nonce demanded always", 400, "use_dpop_nonce", "n1", 9, 2, "use_dpop_nonce"},
		{"nonce demanded but not given", 400, "use_dpop_nonce", "", 2, 1, "use_dpop_nonce"},
		{"the resource server's status", 401, "use_dpop_nonce", "n1", 2, 1, "use_dpop_nonce"},
		{"another error", 400, "invalid_grant", "n1", 2, 1, "invalid_grant"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var nonces []any
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, claims := verify(panics{}, r.Header.Get("DPoP"))
				nonces = append(nonces, claims["nonce"])
				if len(nonces) >= test.grantsAt {
					fmt.Fprint(w, `{"access_token":"at","token_type":"DPoP"}`)
					return
				}
				if test.nonce != "" {
					w.Header().Set("DPoP-Nonce", test.nonce)
				}
				w.WriteHeader(test.status)
				fmt.Fprintf(w, `{"error":%q,"error_description":"no"}`, test.code)
			}))
			defer server.Close()
			_, err := generate(t, ES256).RequestToken(context.Background(), TokenRequest{Endpoint: server.URL + "/token"})
			var refused *TokenError
			if errors.As(err, &refused); (refused == nil) != (test.wantErrorCode == "") || (refused != nil && refused.Code != test.wantErrorCode) {
				t.Errorf("error %v, want code %q", err, test.wantErrorCode)
			}
			if len(nonces) != test.requests {
				t.Errorf("%d requests, want %d", len(nonces), test.requests)
			}
			if len(nonces) == 2 && nonces[1] != test.nonce {
				t.Errorf("retry has nonce %v, want %v", nonces[1], test.nonce)
			}
		})
	}
}

func TestRefusesTokenAnswersItCannotUse(t *testing.T) {
	for name, body := range map[string]string{
		"token that is not bound": `{"access_token":"secret","token_type":"Bearer"}`,
		"no token type":           `{"access_token":"secret"}`,
		"no token":                `{"token_type":"DPoP"}`,
		"not JSON":                `secret`,
		"wrong type":              `{"access_token":"secret","token_type":"DPoP","expires_in":"secret"}`,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
			defer server.Close()
			_, err := generate(t, ES256).RequestToken(context.Background(), TokenRequest{Endpoint: server.URL})
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want one without the token", err)
			}
		})
	}
}

func TestTokenErrorsSayWhatTheServerSaid(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>")
	}))
	defer server.Close()
	_, err := RequestUnboundToken(context.Background(), TokenRequest{Endpoint: server.URL})
	if err == nil || err.Error() != "token endpoint answered 502" {
		t.Errorf("error %v", err)
	}
}
