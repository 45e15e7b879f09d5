// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// FuzzOnlySignedTokensPass gives anything to the verifier: it never panics, and what it lets pass golang-jwt lets pass too.
func FuzzOnlySignedTokensPass(f *testing.F) {
	ec, ed := repeatable(f)
	v := verifierOf(f, issuer(f, IssuerConfig{Issuer: contoso, Types: []string{TypeAccessToken, TypeJWT}}, fixed(f, ec, ed)))
	keys := map[string]signer{ec.kid: ec, ed.kid: ed}
	good := ec.mint(f, typAT, rfc9068())
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, ed.mint(f, typAT, rfc9068()), ec.mint(f, typEntra, entraUserV2().with("iss", `"`+contoso+`"`)),
		parts[0] + "." + parts[1] + ".", parts[0] + "." + b64([]byte(`{"iss":"`+contoso+`"}`)) + "." + parts[2], "..", "a.b.c", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, why := v.Verify(raw, forMail, now)
		if why != reason.None {
			if got != nil {
				t.Fatalf("refused for %s, with a value", why)
			}
			return
		}
		parser := jwt.NewParser(jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithLeeway(skew), jwt.WithAudience(mail), jwt.WithExpirationRequired())
		_, err := parser.Parse(raw, func(token *jwt.Token) (any, error) {
			kid, _ := token.Header["kid"].(string)
			return keys[kid].private.Public(), nil
		})
		if err != nil && !isEd25519(raw) {
			t.Fatalf("passed here, refused there: %v", err)
		}
	})
}

// repeatable are keys that every process of a fuzzing run has alike, so that a good token stays good.
func repeatable(f *testing.F) (ec, ed signer) {
	f.Helper()
	seed := sha256.Sum256([]byte("a key for fuzzing"))
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		f.Fatal(err)
	}
	return signer{"ec", jose.ES256, private}, signer{"ed", jose.EdDSA, ed25519.NewKeyFromSeed(seed[:])}
}

// isEd25519 reports whether the header says Ed25519, a name that golang-jwt does not know.
func isEd25519(raw string) bool {
	compact, err := jose.Split(raw, MaxSize)
	if err != nil {
		return false
	}
	header, err := jose.ParseHeader(compact.Header)
	return err == nil && header.Algorithm == jose.Ed25519
}

// FuzzSignedPayloads gives any payload with a good signature to the verifier: what passes has the claims of an access token.
func FuzzSignedPayloads(f *testing.F) {
	v, _ := standard(f)
	s := signers()[jose.EdDSA]
	for _, c := range []claims{rfc9068(), entraUserV2().with("iss", `"`+contoso+`"`), rfc9068().with("exp", `1e9`), rfc9068().with("cnf", `{}`)} {
		f.Add(c.json())
	}
	f.Fuzz(func(t *testing.T, payload string) {
		got, why := v.Verify(s.sign(t, `{"typ":"at+jwt","alg":"EdDSA","kid":"ed"}`, payload), forMail, now)
		if why != reason.None {
			return
		}
		c := got.Claims
		if c.Issuer != contoso || !c.isFor(forMail) || c.Expires+15 <= now.Unix() || c.NotBefore > now.Unix()+15 {
			t.Fatalf("passed with %+v", c)
		}
	})
}
