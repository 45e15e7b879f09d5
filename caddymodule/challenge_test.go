// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// accepting answers only who proves possession, by one of these schemes.
func accepting(t testing.TB, proofs string) *issuer {
	t.Helper()
	i := newIssuer(t)
	setup{issuer: i, app: policyOn, site: "token_protection exchange {\n audience https://mail.contoso.example\n" + proofs + "\n}\nrespond in"}.load(t)
	return i
}

// signedFor makes a signed request for the path, with a nonce that the
// verifier of signed requests accepts.
func signedFor(t testing.TB, device *client.Key, token, path string) *http.Request {
	t.Helper()
	answer := send(t, request(path, ""))
	for _, challenge := range answer.Header()["Www-Authenticate"] {
		if found := regexp.MustCompile(`^PoP .*nonce="([^"]+)"`).FindStringSubmatch(challenge); found != nil {
			time.Sleep(0)
			signed, err := device.SignedRequest(client.SignedRequest{URL: "http://" + siteName + path, AccessToken: token, Nonce: found[1]})
			if err != nil {
				t.Fatal(err)
			}
			return request(path, "PoP "+signed)
		}
	}
	t.Fatal("no nonce is offered")
	return nil
}
