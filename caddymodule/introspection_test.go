// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// endpoint answers who asks about a token (RFC 7662), with the given status.
func endpoint(t testing.TB, status int, claims jwt.MapClaims) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "caddy" || secret != "correct-horse" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer := claims
		if r.FormValue("token") != "opaque" {
			answer = jwt.MapClaims{"active": false}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server
}

// asking is the configuration of an issuer whose tokens are opaque.
func asking(server *httptest.Server, authentication string) string {
	return "introspection " + server.URL + " {\nclient_id caddy\n" + authentication + "\n}"
}

func TestOpaqueTokensAreAskedAbout(t *testing.T) {
	t.Setenv("INTROSPECTION_SECRET", "correct-horse")
	device := newDevice(t)
	claims := confirmedBy(device)
	claims["active"], claims["aud"], claims["upn"] = true, "https://"+siteName, "alice@contoso.example"
	i := newIssuer(t)
	certificate, key := newIdentity(t, "caddy").files(t)
	for name, test := range map[string]struct {
		authentication, token string
		answers               int
		status                int
	}{
		"good":                               {"client_secret {env.INTROSPECTION_SECRET}", "opaque", 200, 200},
		"inactive":                           {"client_secret correct-horse", "opaquer", 200, 401},
		"down is no fault of the token":      {"client_secret correct-horse", "opaque", 500, 503},
		"so is a secret that is not ours":    {"client_secret wrong", "opaque", 200, 503},
		"with a certificate in its stead":    {"client_certificate " + certificate + " " + key, "opaque", 200, 503}, // this endpoint wants a secret
		"a secret out of a file":             {"client_secret {file." + secretFile(t) + "}", "opaque", 200, 200},
		"a JWT is verified, not asked about": {"client_secret wrong", i.token(t, confirmedBy(device)), 500, 200},
	} {
		t.Run(name, func(t *testing.T) {
			server := endpoint(t, test.answers, claims)
			setup{issuer: i, keys: "jwks_file " + i.file + "\n" + asking(server, test.authentication), app: policyOn}.load(t)
			answer := send(t, prove(t, request("/ews", ""), device, test.token, "http://"+siteName+"/ews"))
			expectStatus(t, answer, test.status)
			if test.status == http.StatusServiceUnavailable && answer.Header().Get("Retry-After") != "5" {
				t.Errorf("Retry-After %q", answer.Header().Get("Retry-After"))
			}
		})
	}
}

// Without introspection an opaque token is no token.
func TestOpaqueTokensAreRefusedUnlessConfigured(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyOn}.load(t)
	answer := send(t, request("/ews", "Bearer opaque"))
	expectStatus(t, answer, http.StatusUnauthorized)
	expectChallenges(t, answer.Header()["Www-Authenticate"], plainError("Bearer", "invalid_token"), dpopLine, popLine)
}

func secretFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("correct-horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
