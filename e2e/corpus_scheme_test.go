// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// schemeCases are about which credential came under which scheme, and how many.
var schemeCases = map[string]play{
	"DPOP-012": {
		reason: "proofs_several",
		send: func(s *stage) []harness.Response {
			return one(s.get(harness.Credentials(s.AT1, s.proof(nil).Sign(), s.proof(nil).Sign())))
		},
		contract: &answer{http.StatusBadRequest, "invalid_request"}, // "two credentials, two proofs"
	},
	"DPOP-013": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		return s.each(s.proof(nil).Sign() + ", " + s.proof(nil).Sign())
	}},
	"DPOP-016": {
		reason: "proof_missing", code: 1008,
		send:     func(s *stage) []harness.Response { return one(s.get(harness.Credentials(s.AT1))) },
		contract: &answer{http.StatusUnauthorized, "invalid_token"}, // "bound token without its proof"
	},
	"DPOP-018": {
		reason: "scheme_mismatch", code: 1008,
		send: func(s *stage) []harness.Response {
			return one(s.get(http.Header{"Authorization": {"Bearer " + s.AT1}}))
		},
		must: []func(*stage, harness.Response){offersDPoP},
	},
	"DPOP-019": {reason: "scheme_mismatch", code: 1008, send: func(s *stage) []harness.Response {
		return one(s.get(http.Header{"Authorization": {"Bearer " + s.AT1}, "Dpop": {s.proof(nil).Sign()}}))
	}},
	"DPOP-020": {reason: "scheme_mismatch", code: 1008, send: func(s *stage) []harness.Response {
		return one(s.get(http.Header{"Authorization": {"BeArEr " + s.AT1}}))
	}},
	"DPOP-024": {reason: "token_unbound", code: 1002, send: func(s *stage) []harness.Response { return s.eachToken(s.ATb) }},
	"DPOP-028": {
		reason: "token_unbound", code: 1002,
		send: func(s *stage) []harness.Response {
			return one(s.get(http.Header{"Authorization": {"Bearer " + s.ATb}}))
		},
		must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
			for _, challenge := range response.Challenges {
				if challenge.Scheme != "DPoP" && challenge.Scheme != "PoP" { // both say that a proof is owed
					s.Errorf("offers %s", challenge.Scheme)
				}
			}
			offersDPoP(s, response)
		}},
	},
	"DPOP-029": {reason: "credentials_several", send: func(s *stage) []harness.Response {
		return one(s.get(http.Header{"Authorization": {"DPoP " + s.AT1, "Bearer " + s.AT1}, "Dpop": {s.proof(nil).Sign()}}))
	}},
	"DPOP-032": {reason: "credential_malformed", send: func(s *stage) []harness.Response {
		return one(s.get(http.Header{"Authorization": {"DPoP " + s.AT1 + " m a l f o r m e d "}, "Dpop": {s.proof(nil).Sign()}}))
	}},
	"DPOP-035": {
		reason: "credential_missing", code: 1002,
		send: func(s *stage) []harness.Response { return one(s.get(nil)) },
		must: []func(*stage, harness.Response){
			func(s *stage, response harness.Response) {
				offersDPoP(s, response)
				if dpop, _ := challenge(response, "DPoP"); len(dpop.Parameters) != 1 {
					s.Errorf("the challenge says %v, expected algs alone", dpop.Parameters)
				}
			},
			notStored,
		},
	},
}
