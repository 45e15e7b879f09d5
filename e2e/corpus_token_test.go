// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// tokenCases are access tokens that nobody should believe. Each comes with a
// right proof for itself.
var tokenCases = map[string]play{
	"AT-001": {reason: "token_signature", send: func(s *stage) []harness.Response { return s.eachToken(flipped(s.AT1)) }},
	"AT-002": {reason: "token_malformed", send: func(s *stage) []harness.Response {
		claims := harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1))
		header := s.Issuer.Header()
		return s.eachToken(
			unsigned(s.Issuer.EC.Sign(harness.With(header, harness.Object{"alg": "none"}), claims)),
			unsigned(s.Issuer.EC.Sign(header, claims)),
		)
	}},
	"AT-003": {reason: "token_algorithm", send: playAlgorithmConfusion},
	"AT-005": {reason: "token_signature, token_signature, token_key_unknown", send: func(s *stage) []harness.Response {
		claims := harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1))
		header := harness.With(s.Issuer.Header(), harness.Object{"jwk": s.K2.JWK()})
		return s.eachToken(
			s.K2.Sign(header, claims),
			s.K2.Sign(harness.With(header, harness.Object{"kid": nil}), claims),
			s.K2.Sign(harness.With(header, harness.Object{"kid": s.K2.Thumbprint()}), claims),
		)
	}},
	"AT-008": {reason: "token_key_unknown, token_key_unknown, token_too_large, token_malformed, token_malformed, token_malformed, token_key_unknown", send: func(s *stage) []harness.Response {
		var tokens []string
		for _, kid := range []any{
			"../../../../dev/null", "' OR 1=1--", strings.Repeat("k", 10<<10), 7, null{}, harness.Object{"a": 1}, "a\r\nX-Injected: 1",
		} {
			header := harness.With(s.Issuer.Header(), harness.Object{"kid": kid})
			tokens = append(tokens, s.Issuer.EC.Sign(header, harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1))))
		}
		return s.eachToken(tokens...)
	}},
	"AT-011": {reason: "token_malformed", send: func(s *stage) []harness.Response {
		// Only the shape counts: whoever does not decrypt cannot tell what is inside.
		header, err := json.Marshal(harness.Object{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"})
		if err != nil {
			s.Fatal(err)
		}
		part := func(size int) string { return harness.B64([]byte(strings.Repeat("x", size))) }
		return s.eachToken(strings.Join([]string{harness.B64(header), part(256), part(12), part(300), part(16)}, "."))
	}},
	"AT-013": {reason: "token_too_large, token_too_large, token_malformed", send: func(s *stage) []harness.Response {
		return s.eachToken(strings.Repeat(".", 10000), strings.Repeat("a", 15<<10), "aaaa", insert(s.AT1, "é"))
	}},
	"AT-015": {reason: "token_expired", send: func(s *stage) []harness.Response {
		return s.eachToken(s.bound(harness.Object{"exp": time.Now().Unix() - 60}))
	}},
	"AT-016": {reason: "token_claims", send: func(s *stage) []harness.Response { return s.eachToken(s.bound(harness.Object{"exp": nil})) }},
	"AT-019": {reason: "token_key_unknown, token_signature", send: func(s *stage) []harness.Response {
		other := harness.NewIssuer(s)
		s.server = s.Start(s, harness.Options{Issuers: "issuer " + s.Issuer.URL + "\nissuer " + other.URL})
		s.passes(s.eachToken(other.Mint(harness.BoundTo(s.K1)))[0])
		return s.eachToken(
			other.Mint(harness.With(harness.BoundTo(s.K1), harness.Object{"iss": s.Issuer.URL})),
			other.EC.Sign(s.Issuer.Header(), harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1))),
		)
	}},
	"AT-021": {reason: "token_audience", send: func(s *stage) []harness.Response {
		return s.eachToken(
			s.bound(harness.Object{"aud": "https://files.example"}),
			s.bound(harness.Object{"aud": []string{"https://files.example", "mail.example"}}),
		)
	}},
	"AT-024": {reason: "token_expired", send: func(s *stage) []harness.Response {
		// exp is believed for the clock skew of 15 s more, so this token has four seconds left.
		token := s.bound(harness.Object{"exp": time.Now().Unix() - 11})
		s.passes(s.eachToken(token)[0])
		var last harness.Response
		harness.Eventually(s, "the token to expire", func() bool {
			last = s.eachToken(token)[0]
			return last.Status != http.StatusOK
		})
		return one(last)
	}},
}

// bound is a token bound to K1 with changes to its claims.
func (s *stage) bound(changes harness.Object) string {
	return s.Issuer.EC.Sign(s.Issuer.Header(), harness.With(harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1)), changes))
}

// playAlgorithmConfusion signs with what everybody knows: the issuer's public
// RSA key, in all the spellings that have been taken for a secret.
func playAlgorithmConfusion(s *stage) []harness.Response {
	public := s.Issuer.RSA.Private.Public().(*rsa.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		s.Fatal(err)
	}
	jwk, err := json.Marshal(s.Issuer.RSA.JWK())
	if err != nil {
		s.Fatal(err)
	}
	var tokens []string
	for _, secret := range [][]byte{pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), der, jwk, public.N.Bytes()} {
		header := harness.With(s.Issuer.RSAHeader(), harness.Object{"alg": "HS256"})
		tokens = append(tokens, harness.HMAC("HS256", secret, header, harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1))))
	}
	right := s.Issuer.RSA.Sign(s.Issuer.RSAHeader(), harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1)))
	s.passes(s.eachToken(right)[0])
	return s.eachToken(tokens...)
}
