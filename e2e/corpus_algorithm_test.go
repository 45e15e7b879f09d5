// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// algorithmCases are proofs with an algorithm that is none of ours, and
// signatures that are not by the key that is shown.
var algorithmCases = map[string]play{
	"DPOP-056": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		_, claims := s.proof(nil).Parts()
		bare := unsigned(s.K1.Sign(harness.Object{"alg": "none", "typ": "dpop+jwt"}, claims))
		return s.each(bare, unsigned(s.withHeader(harness.Object{"alg": "none"})))
	}},
	"DPOP-057": {reason: "proof_algorithm, proof_algorithm, proof_algorithm, proof_algorithm, proof_malformed", send: func(s *stage) []harness.Response {
		var proofs []string
		for _, alg := range []any{"None", "NONE", "nOnE", "", 1, true} {
			proofs = append(proofs, s.withHeader(harness.Object{"alg": alg}))
		}
		return s.each(append(proofs, s.withHeader(harness.Object{"alg": nil, "alg2": "ES256"}))...)
	}},
	"DPOP-058": {reason: "proof_algorithm", send: func(s *stage) []harness.Response {
		secret, err := json.Marshal(s.K1.JWK())
		if err != nil {
			s.Fatal(err)
		}
		var proofs []string
		for _, alg := range []string{"HS256", "HS384", "HS512"} {
			header, claims := s.proof(nil).Parts()
			proofs = append(proofs, harness.HMAC(alg, secret, harness.With(header, harness.Object{"alg": alg}), claims))
		}
		return s.each(proofs...)
	}},
	"DPOP-059": {reason: "proof_algorithm", send: func(s *stage) []harness.Response {
		s.passes(s.get(s.as(s.R1, nil))) // the same key under PS256
		return one(s.get(s.as(harness.Key{Algorithm: "RS256", Private: s.R1.Private}, nil)))
	}},
	"DPOP-084": {reason: "proof_signature", send: func(s *stage) []harness.Response { return s.each(flipped(s.proof(nil).Sign())) }},
	"DPOP-085": {reason: "proof_signature", send: func(s *stage) []harness.Response {
		header, claims := s.proof(nil).Parts()
		return s.each(s.K2.Sign(header, claims))
	}},
}

// unsigned cuts the signature off and leaves the period.
func unsigned(jws string) string { return jws[:strings.LastIndexByte(jws, '.')+1] }

// flipped changes a bit of the signature's first byte. In the last character
// of ES256 and RS256 signatures are bits that count for nothing.
func flipped(jws string) string {
	at := strings.LastIndexByte(jws, '.') + 1
	other := "A"
	if jws[at] == 'A' {
		other = "B"
	}
	return jws[:at] + other + jws[at+1:]
}
