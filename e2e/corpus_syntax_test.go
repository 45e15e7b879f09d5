// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// syntaxCases are proofs that are no JWS, or one of another kind.
var syntaxCases = map[string]play{
	"DPOP-036": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		proof := s.proof(nil).Sign()
		return s.each(proof[:strings.LastIndexByte(proof, '.')])
	}},
	"DPOP-037": {reason: "proof_malformed", send: func(s *stage) []harness.Response { return s.each("not-a-jws") }},
	"DPOP-038": {reason: "proof_malformed", send: func(s *stage) []harness.Response { return s.each(s.proof(nil).Sign() + ".YWJj.ZGVm") }},
	"DPOP-040": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		parts := strings.Split(s.proof(nil).Sign(), ".")
		flattened, err := json.Marshal(harness.Object{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
		if err != nil {
			s.Fatal(err)
		}
		return s.each(string(flattened))
	}},
	"DPOP-043": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		middle := func(inside string) string { return insert(s.proof(nil).Sign(), inside) }
		responses := s.each(middle(" "), middle("+"), middle("/"), middle("="))
		id := harness.NewID()
		return append(responses, s.server.Raw(s, id, "GET "+path+" HTTP/1.1\r\nHost: "+harness.Host+"\r\n"+harness.IDHeader+": "+id+
			"\r\nAuthorization: DPoP "+s.AT1+"\r\nDPoP: "+middle("\n")+"\r\n\r\n"))
	}},
	"DPOP-045": {
		reason: "proof_malformed",
		send:   func(s *stage) []harness.Response { return s.each(strings.Repeat(".", 8000)) },
		must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
			unitTest(s, "enforcement/jose TestSplitCostsNoMemoryPerPeriod")
		}},
	},
	"DPOP-047": {reason: "proof_algorithm, proof_malformed", send: func(s *stage) []harness.Response {
		header, claims := s.proof(nil).Parts()
		text, err := json.Marshal(header)
		if err != nil {
			s.Fatal(err)
		}
		return s.each(
			s.K1.Sign(json.RawMessage(`{"alg":"none",`+string(text[1:])), claims),
			s.K1.Sign(json.RawMessage(`{"typ":"dpop+jwt",`+string(text[1:])), claims), // twice the same is one too many
		)
	}},
	"DPOP-051": {reason: "proof_type", send: func(s *stage) []harness.Response { return s.eachHeader(harness.Object{"typ": nil}) }},
	"DPOP-052": {reason: "proof_type", send: func(s *stage) []harness.Response {
		var proofs []string
		for _, typ := range []string{"JWT", "secevent+jwt", "dpop+jwt+wrongyousee", "dpop+at", "jwt+dpop"} {
			proofs = append(proofs, s.withHeader(harness.Object{"typ": typ}))
		}
		return s.each(proofs...)
	}},
	"DPOP-065": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		return s.eachHeader(harness.Object{"crit": []string{"zzz"}, "zzz": 1})
	}},
}

// insert puts text into the middle of a proof's payload.
func insert(proof, text string) string {
	parts := strings.Split(proof, ".")
	half := len(parts[1]) / 2
	parts[1] = parts[1][:half] + text + parts[1][half:]
	return strings.Join(parts, ".")
}
