// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// SignedRequest says what a signed HTTP request is to prove
// (draft-ietf-oauth-signed-http-request-03, section 3), in the dialect of
// MSAL.NET: the token's cnf.kid is the thumbprint of the signing key.
type SignedRequest struct {
	// Method is the HTTP method of the request, `m`. Empty means GET.
	Method string
	// URL is the absolute http or https URL of the request: its host goes into `u`
	// and its path into `p`.
	URL string
	// AccessToken is the token that is presented, `at`.
	AccessToken string
	// Nonce is `nonce`: the server's, if it gave one. Empty means a new one of 128
	// random bits.
	Nonce string
	// IssuedAt is `ts`, of which whole seconds are used. Zero means now.
	IssuedAt time.Time
}

// SignedRequest signs s with the key and returns what follows `PoP ` in the
// Authorization header field. Errors do not contain the URL.
func (k *Key) SignedRequest(s SignedRequest) (string, error) {
	target, err := targetURI(s.URL)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", errURL
	}
	if s.Method == "" {
		s.Method = "GET"
	}
	if s.Nonce == "" {
		s.Nonce = newID()
	}
	if s.IssuedAt.IsZero() {
		s.IssuedAt = time.Now()
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(string(k.algorithm)), jwt.MapClaims{
		"at": s.AccessToken, "ts": s.IssuedAt.Unix(), "nonce": s.Nonce,
		"m": s.Method, "u": strings.ToLower(u.Host), "p": u.EscapedPath(),
		"cnf": map[string]any{"jwk": json.RawMessage(k.PublicJWK())},
	})
	token.Header["typ"] = "pop"
	token.Header["kid"] = k.Thumbprint()
	signed, err := token.SignedString(k.signer)
	if err != nil {
		return "", fmt.Errorf("signing with the %s key: %w", k.algorithm, err)
	}
	return signed, nil
}
