// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"
)

// SignedRequest is a signed HTTP request of the scheme PoP to be made
// (draft-ietf-oauth-signed-http-request-03). What is not said otherwise is right.
type SignedRequest struct {
	Key    Key
	Token  string // at
	Method string // empty means GET
	Path   string // of the site; the query is left out of `p`
	Nonce  string // empty means no claim
	// Header and Claims change or, with nil, remove members.
	Header, Claims Object
}

// Sign makes the credential.
func (r SignedRequest) Sign() string {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	path, _, _ := strings.Cut(r.Path, "?")
	header := Object{"typ": "pop", "alg": r.Key.Algorithm, "kid": r.Key.Thumbprint()}
	claims := Object{
		"at": r.Token, "ts": time.Now().Unix(), "m": r.Method, "u": Host, "p": path,
		"jti": rand.Text(), "cnf": Object{"jwk": r.Key.JWK()},
	}
	if r.Nonce != "" {
		claims["nonce"] = r.Nonce
	}
	return r.Key.Sign(With(header, r.Header), With(claims, r.Claims))
}

// PoP is a credential under its scheme.
func PoP(signed string) http.Header { return http.Header{"Authorization": {"PoP " + signed}} }

// Confirmed is the confirmation of Entra's tokens that names a key, for Mint.
func Confirmed(key Key) Object { return Object{"cnf": Object{"kid": key.Thumbprint()}} }

// PoPNonce returns a new nonce for a signed request while the server asks for
// any, else none. It asks with one that is old, which owes a nonce longest.
func (s *Server) PoPNonce(t testing.TB) string {
	t.Helper()
	key := NewKey("ES256")
	request := SignedRequest{
		Key: key, Token: s.World.Issuer.Mint(Confirmed(key)), Path: "/nonce",
		Claims: Object{"ts": time.Now().Unix() - 280},
	}
	response := s.Do(t, HTTP1, Request{Path: request.Path, Header: PoP(request.Sign())})
	for _, challenge := range response.Challenges {
		if nonce := challenge.Parameters["nonce"]; challenge.Scheme == "PoP" && nonce != "" {
			return Secret("nonce", nonce)
		}
	}
	return ""
}
