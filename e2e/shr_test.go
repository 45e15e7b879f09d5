// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// dialect makes the signed request of one client library for GET /API/x?b=bar,
// with the nonce it was given.
type dialect func(key harness.Key, token, nonce string) string

// dialects are those of the libraries in use: MSAL.NET (PS256), MSAL.js (RS256,
// the URL in lower case with a slash at the end, the query itself in q, members
// of the Web Cryptography API in the key) and kubelogin of AKS and Arc.
var dialects = map[string]dialect{
	"MSAL.NET": func(key harness.Key, token, nonce string) string {
		key.Algorithm = "PS256"
		return key.Sign(harness.Object{"alg": "PS256", "kid": key.Thumbprint(), "typ": "pop"}, harness.Object{
			"cnf": harness.Object{"jwk": key.JWK()}, "ts": time.Now().Unix(), "at": token, "nonce": nonce,
			"m": "GET", "u": harness.Host, "p": "/API/x",
		})
	},
	"MSAL.js": func(key harness.Key, token, nonce string) string {
		key.Algorithm = "RS256"
		id, err := json.Marshal(harness.Object{"kid": key.Thumbprint()})
		if err != nil {
			panic(err)
		}
		return key.Sign(harness.Object{"alg": "RS256", "kid": harness.B64(id), "typ": "pop"}, harness.Object{
			"at": token, "ts": time.Now().Unix(), "m": "GET", "u": harness.Host, "nonce": nonce,
			"p": "/api/x/", "q": []any{[]string{}, "b=bar"}, "client_claims": "",
			"cnf": harness.Object{"jwk": harness.With(key.JWK(), harness.Object{"ext": true, "key_ops": []string{"verify"}, "alg": "RS256"})},
		})
	},
	"AKS": func(key harness.Key, token, nonce string) string {
		key.Algorithm = "RS256"
		return key.Sign(harness.Object{"alg": "RS256", "kid": key.Thumbprint(), "typ": "pop"}, harness.Object{
			"at": token, "ts": time.Now().Unix(), "u": harness.Host, "m": "GET", "p": "/API/x", "nonce": nonce,
			"cnf": harness.Object{"jwk": key.JWK()},
		})
	},
}

// TestSignedRequestDialects: each library's own request passes once, over each
// version of HTTP, after at most one server nonce. What MSAL.js makes of a URL
// passes only where Microsoft's way of comparing was chosen.
func TestSignedRequestDialects(t *testing.T) {
	world := harness.NewWorld(t)
	strict := world.Start(t, harness.Options{})
	lenient := world.Start(t, harness.Options{Handler: "pop {\nmicrosoft_compatible\n}"})
	token := world.Issuer.Mint(harness.Object{"cnf": harness.Object{"kid": world.R1.Thumbprint(), "xms_ksl": "sw"}})
	for name, dialect := range dialects {
		t.Run(name, func(t *testing.T) {
			for _, protocol := range harness.Protocols {
				signed, got := asLibrary(t, lenient, protocol, dialect, world.R1, token)
				if got.Status != http.StatusOK || len(got.Arrivals()) != 1 {
					t.Errorf("%v: status %d %q, %d arrivals", protocol, got.Status, got.Error, len(got.Arrivals()))
				}
				again := lenient.Do(t, protocol, harness.Request{Path: "/API/x?b=bar", Header: harness.PoP(signed)})
				if again.Status != http.StatusUnauthorized || again.Error != "invalid_token" {
					t.Errorf("%v, a second time: status %d %q", protocol, again.Status, again.Error)
				}
			}
			want := http.StatusOK
			if name == "MSAL.js" {
				want = http.StatusUnauthorized
			}
			if _, got := asLibrary(t, strict, harness.HTTP1, dialect, world.R1, token); got.Status != want {
				t.Errorf("compared strictly: status %d %q, expected %d", got.Status, got.Error, want)
			}
		})
	}
}

// asLibrary sends a request as the library does: first with a GUID of its own
// for a nonce, then with the server's where it asks for one.
func asLibrary(t *testing.T, server *harness.Server, protocol harness.Protocol, sign dialect, key harness.Key, token string) (string, harness.Response) {
	t.Helper()
	nonce := harness.Secret("nonce", strings.ToLower(rand.Text()))
	for range 2 {
		signed := sign(key, token, nonce)
		got := server.Do(t, protocol, harness.Request{Path: "/API/x?b=bar", Header: harness.PoP(signed)})
		pop, _ := challenge(got, "PoP")
		if nonce = pop.Parameters["nonce"]; got.Error != "" || nonce == "" {
			return signed, got
		}
		harness.Secret("nonce", nonce)
	}
	t.Fatal("the server's own nonce was not taken")
	return "", harness.Response{}
}

// TestSignedRequestIsTheOnlyPlaceOfItsToken: neither the token alone nor a
// signed request under another scheme will do, nor a DPoP proof by the key.
func TestSignedRequestIsTheOnlyPlaceOfItsToken(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	request := harness.SignedRequest{Key: world.K1, Token: world.Issuer.Mint(harness.Confirmed(world.K1)), Path: path, Nonce: server.PoPNonce(t)}
	proof := harness.Proof{Key: world.K1, Token: request.Token, Path: path, Nonce: server.Nonce(t)}
	other := request
	other.Token = world.AT1
	for name, test := range map[string]struct {
		header http.Header
		reason string
	}{
		"the token as bearer":                 {bearer(request.Token), "scheme_mismatch"},
		"the token under mtls_pop":            {http.Header{"Authorization": {"mtls_pop " + request.Token}}, "scheme_mismatch"},
		"the token with a DPoP proof":         {harness.Credentials(request.Token, proof.Sign()), "scheme_mismatch"},
		"the bare token":                      {harness.PoP(request.Token), "proof_missing"},
		"signed request as bearer":            {bearer(request.Sign()), "token_issuer"},
		"DPoP-bound token, signed by its key": {harness.PoP(other.Sign()), "scheme_mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			got := server.Do(t, harness.HTTP1, harness.Request{Path: path, Header: test.header})
			if got.Status != http.StatusUnauthorized || got.Error != "invalid_token" || len(got.Arrivals()) > 0 {
				t.Errorf("status %d %q, %d arrivals", got.Status, got.Error, len(got.Arrivals()))
			}
			if record := server.Record(t, got.CorrelationID); record.Status.AdditionalDetails != test.reason {
				t.Errorf("refused for %q, expected %q", record.Status.AdditionalDetails, test.reason)
			}
		})
	}
	if got := server.Do(t, harness.HTTP1, harness.Request{Path: path, Header: harness.PoP(request.Sign())}); got.Status != http.StatusOK {
		t.Errorf("the right one: status %d %q", got.Status, got.Error)
	}
}

// TestSignedRequestLimit: 24 KiB pass over each version of HTTP and one byte
// more does not, where Caddy lets a header be that long. By default Caddy
// answers 431 to a header of much more than 16 KiB, before anybody looks.
func TestSignedRequestLimit(t *testing.T) {
	const limit = 24 << 10
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Global: "servers {\nmax_header_size 32KiB\n}"})
	usual := world.Start(t, harness.Options{})
	token := world.Issuer.Mint(harness.With(harness.Confirmed(world.K1), harness.Object{"x": strings.Repeat("x", 5500)}))
	sized := func(server *harness.Server, size int) http.Header { // or up to three bytes less
		request := harness.SignedRequest{Key: world.K1, Token: token, Path: path, Nonce: server.PoPNonce(t), Claims: harness.Object{"x": ""}}
		request.Claims["x"] = strings.Repeat("x", (size-len(request.Sign()))*3/4-1)
		return harness.PoP(request.Sign())
	}
	for _, protocol := range harness.Protocols {
		if got := server.Do(t, protocol, harness.Request{Path: path, Header: sized(server, limit)}); got.Status != http.StatusOK {
			t.Errorf("%v, 24 KiB: status %d %q", protocol, got.Status, got.Error)
		}
		if got := usual.Do(t, protocol, harness.Request{Path: path, Header: sized(usual, 15<<10)}); got.Status != http.StatusOK {
			t.Errorf("%v, 15 KiB and Caddy's limit: status %d %q", protocol, got.Status, got.Error)
		}
		got := server.Do(t, protocol, harness.Request{Path: path, Header: sized(server, limit+4)})
		if got.Status != http.StatusUnauthorized || got.Error != "invalid_token" {
			t.Fatalf("%v, above 24 KiB: status %d %q", protocol, got.Status, got.Error)
		}
		if record := server.Record(t, got.CorrelationID); record.Status.AdditionalDetails != "proof_too_large" {
			t.Errorf("%v: refused for %q", protocol, record.Status.AdditionalDetails)
		}
	}
	if got := usual.Do(t, harness.HTTP1, harness.Request{Path: path, Header: sized(usual, limit)}); got.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("24 KiB and Caddy's limit: status %d", got.Status)
	}
}

// TestUploadIsNotHeldBack: a body that the signed request does not cover
// flows on while it is sent. One that it covers waits until it is whole.
func TestUploadIsNotHeldBack(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	arrived := make(chan string, 1)
	world.Backend.Handle("/upload", func(w http.ResponseWriter, r *http.Request) {
		first := make([]byte, 5)
		_, err := io.ReadFull(r.Body, first)
		arrived <- string(first)
		if _, more := io.Copy(io.Discard, r.Body); err != nil || more != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	for _, protocol := range harness.Protocols {
		body, pieces := io.Pipe()
		request := harness.SignedRequest{
			Key: world.K1, Token: world.Issuer.Mint(harness.Confirmed(world.K1)), Method: http.MethodPost, Path: "/upload", Nonce: server.PoPNonce(t),
		}
		go func() {
			_, _ = io.WriteString(pieces, "first")
			if got := <-arrived; got != "first" {
				_ = pieces.CloseWithError(io.ErrUnexpectedEOF)
			}
			_, _ = io.WriteString(pieces, "last")
			_ = pieces.Close()
		}()
		got := server.Do(t, protocol, harness.Request{Method: request.Method, Path: request.Path, Header: harness.PoP(request.Sign()), Stream: body})
		if got.Status != http.StatusOK {
			t.Errorf("%v: status %d %q", protocol, got.Status, got.Error)
		}

		request.Claims = harness.Object{"b": hashOf("firstlast")}
		got = server.Do(t, protocol, harness.Request{Method: request.Method, Path: request.Path, Header: harness.PoP(request.Sign()), Stream: strings.NewReader("firstlast")})
		if got.Status != http.StatusOK || <-arrived != "first" {
			t.Errorf("%v, covered: status %d %q", protocol, got.Status, got.Error)
		}
	}
}

// TestDemandsOfSignedRequests: what is demanded must be covered, and then is
// held against the request.
func TestDemandsOfSignedRequests(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Handler: "pop {\ndemand query headers body\n}"})
	all := harness.Object{"q": covers("b=bar", "b"), "h": covers("content-type: text/plain", "content-type"), "b": hashOf("hello")}
	for name, test := range map[string]struct {
		claims harness.Object
		reason string
	}{
		"all":                 {all, ""},
		"no q":                {harness.With(all, harness.Object{"q": nil}), "proof_query"},
		"a q that is no hash": {harness.With(all, harness.Object{"q": []any{[]string{}, "b=bar"}}), "proof_query"},
		"no h":                {harness.With(all, harness.Object{"h": nil}), "proof_headers"},
		"no b":                {harness.With(all, harness.Object{"b": nil}), "proof_body"},
		"another b":           {harness.With(all, harness.Object{"b": hashOf("hellp")}), "proof_body"},
	} {
		t.Run(name, func(t *testing.T) {
			request := harness.SignedRequest{
				Key: world.K1, Token: world.Issuer.Mint(harness.Confirmed(world.K1)), Method: http.MethodPut, Path: path,
				Nonce: server.PoPNonce(t), Claims: test.claims,
			}
			header := harness.PoP(request.Sign())
			header.Set("Content-Type", "text/plain")
			got := server.Do(t, harness.HTTP2, harness.Request{Method: request.Method, Path: path + "?b=bar", Header: header, Body: "hello"})
			if test.reason == "" {
				if arrivals := got.Arrivals(); got.Status != http.StatusOK || len(arrivals) != 1 || arrivals[0].Body != "hello" {
					t.Errorf("status %d %q, %d arrivals", got.Status, got.Error, len(arrivals))
				}
				return
			}
			if got.Status != http.StatusUnauthorized || got.Error != "invalid_token" || len(got.Arrivals()) > 0 {
				t.Errorf("status %d %q, %d arrivals", got.Status, got.Error, len(got.Arrivals()))
			}
			if record := server.Record(t, got.CorrelationID); record.Status.AdditionalDetails != test.reason {
				t.Errorf("refused for %q, expected %q", record.Status.AdditionalDetails, test.reason)
			}
		})
	}
}
