// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// claimCases are proofs with claims missing, of the wrong type or of another request.
var claimCases = map[string]play{
	"DPOP-089": {reason: "proof_malformed", send: func(s *stage) []harness.Response { return s.eachClaims(harness.Object{"jti": nil}) }},
	"DPOP-091": {reason: "proof_malformed", send: func(s *stage) []harness.Response { return s.eachClaims(harness.Object{"htu": nil}) }},
	"DPOP-093": {reason: "proof_malformed", send: func(s *stage) []harness.Response { return s.eachClaims(harness.Object{"ath": nil}) }},
	"DPOP-094": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		return s.eachClaims(harness.Object{"jti": ""}, harness.Object{"htm": ""}, harness.Object{"htu": ""})
	}},
	"DPOP-095": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		return s.eachClaims(
			harness.Object{"jti": 12345}, harness.Object{"jti": null{}}, harness.Object{"jti": harness.Object{}},
			harness.Object{"htm": []string{"GET"}}, harness.Object{"htu": []string{harness.Origin + path}},
			harness.Object{"ath": 1}, harness.Object{"nonce": 7},
		)
	}},
	"DPOP-099": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		s.passes(s.eachClaims(harness.Object{"jti": strings.Repeat("j", 128)})[0])
		return s.eachClaims(harness.Object{"jti": strings.Repeat("k", 129)})
	}},
	"DPOP-101": {reason: "proof_method", send: func(s *stage) []harness.Response { return s.eachClaims(harness.Object{"htm": "PUT"}) }},
	"DPOP-102": {reason: "proof_method", send: func(s *stage) []harness.Response { return s.eachClaims(harness.Object{"htm": "get"}) }},
	"DPOP-125": {reason: "proof_token_hash", send: func(s *stage) []harness.Response {
		proof := s.proof(nil)
		proof.Token = s.AT2
		return s.each(proof.Sign())
	}},
}

// urlCases are proofs for another URL.
var urlCases = map[string]play{
	"DPOP-105": {reason: "proof_url", send: forURL(harness.Origin + "/api/y")},
	"DPOP-106": {reason: "proof_url", send: forURL(harness.Origin + path + "ohnonotagain")},
	"DPOP-107": {reason: "proof_url", send: forURL("https://other.example"+path, "http://mail.example"+path, harness.Origin+":8443"+path)},
	"DPOP-108": {reason: "proof_url", send: forURL(":::*;", "not a url", path, "//mail.example"+path)},
	"DPOP-115": {reason: "proof_url", send: forURL(harness.Origin + "/API/x")},
}

func forURL(urls ...string) func(s *stage) []harness.Response {
	return func(s *stage) []harness.Response {
		var changes []harness.Object
		for _, url := range urls {
			changes = append(changes, harness.Object{"htu": url})
		}
		return s.eachClaims(changes...)
	}
}
