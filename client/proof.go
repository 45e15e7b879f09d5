// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Proof says what a DPoP proof is to prove (RFC 9449, section 4.2).
type Proof struct {
	// Method is the HTTP method of the request, `htm`. Empty means GET.
	Method string
	// URL is the absolute http or https URL of the request. Its query and fragment
	// are left out of `htu`; the rest goes in as it is written.
	URL string
	// AccessToken is the token that the request presents; `ath` is its hash. Empty
	// for a request to the token endpoint, whose proof has no `ath`.
	AccessToken string
	// Nonce is the last value the server gave in `DPoP-Nonce`, if it gave one.
	Nonce string
	// IssuedAt is `iat`, of which whole seconds are used. Zero means now.
	IssuedAt time.Time
	// ID is `jti`. Empty means a new one of 128 random bits.
	ID string
}

// Proof signs p with the key and returns the value of the `DPoP` header field.
// It fails if the URL is not an absolute http or https one; the error does not
// contain the URL, which may carry secrets in its query.
func (k *Key) Proof(p Proof) (string, error) {
	htu, err := targetURI(p.URL)
	if err != nil {
		return "", err
	}
	if p.Method == "" {
		p.Method = "GET"
	}
	if p.IssuedAt.IsZero() {
		p.IssuedAt = time.Now()
	}
	if p.ID == "" {
		p.ID = newID()
	}
	claims := jwt.MapClaims{"jti": p.ID, "htm": p.Method, "htu": htu, "iat": p.IssuedAt.Unix()}
	if p.AccessToken != "" {
		hash := sha256.Sum256([]byte(p.AccessToken))
		claims["ath"] = encode(hash[:])
	}
	if p.Nonce != "" {
		claims["nonce"] = p.Nonce
	}
	return k.sign("dpop+jwt", claims)
}

// sign makes a compact JWS whose header carries the public key.
func (k *Key) sign(typ string, claims jwt.Claims) (string, error) {
	token := jwt.NewWithClaims(jwt.GetSigningMethod(string(k.algorithm)), claims)
	token.Header["typ"] = typ
	token.Header["jwk"] = json.RawMessage(k.PublicJWK())
	signed, err := token.SignedString(k.signer)
	if err != nil {
		return "", fmt.Errorf("signing with the %s key: %w", k.algorithm, err)
	}
	return signed, nil
}

// errURL is deliberately silent about the URL it refuses.
var errURL = errors.New("a proof's URL must be an absolute http or https URL with a host and without user information")

// targetURI is the request's target URI without query and fragment (RFC 9449,
// section 4.2, `htu`). An empty path is written as "/", which is what is sent.
func targetURI(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return "", errURL
	}
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		raw = raw[:i]
	}
	if u.EscapedPath() == "" {
		raw += "/"
	}
	return raw, nil
}

// newID returns 128 random bits in base64url: RFC 9449, section 4.2 asks for at
// least 96.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return encode(b[:])
}
