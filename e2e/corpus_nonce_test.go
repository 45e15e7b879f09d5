// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// nonceCases are about nonces that the server gave, or did not.
var nonceCases = map[string]play{
	"DPOP-143": {
		reason: "nonce_missing",
		send:   func(s *stage) []harness.Response { return s.eachClaims(harness.Object{"nonce": nil}) },
		must:   []func(*stage, harness.Response){oneNonce, notStored, exposesToBrowsers},
	},
	"DPOP-144": {send: func(s *stage) []harness.Response {
		first := s.eachClaims(harness.Object{"nonce": nil})[0]
		return s.eachClaims(harness.Object{"nonce": first.Header.Get("DPoP-Nonce")})
	}},
	"DPOP-145": {reason: "nonce_stale", send: func(s *stage) []harness.Response { return s.eachClaims(harness.Object{"nonce": "foo"}) }},
	"DPOP-146": {unit: "enforcement/proof/nonce TestNonceLivesAsLongAsItShould"},
	"DPOP-148": {reason: "nonce_stale", send: func(s *stage) []harness.Response {
		raw, err := base64.RawURLEncoding.DecodeString(s.server.Nonce(s))
		if err != nil {
			s.Fatal(err)
		}
		raw[0]-- // the version
		return s.eachClaims(harness.Object{"nonce": harness.B64(raw)})
	}},
	"DPOP-150": {
		reason: "proof_time",
		send: func(s *stage) []harness.Response {
			_, claims := s.proof(nil).Parts()
			return s.eachClaims(harness.Object{"iat": claims["iat"].(int64) + 3600}, harness.Object{"iat": claims["iat"].(int64) - 3600})
		},
		contract: &answer{http.StatusUnauthorized, "invalid_dpop_proof"}, // "proof age 60 s, 15 s into the future"
	},
}

// nqchar is RFC 6749, appendix A: what a nonce is made of.
var nqchar = regexp.MustCompile(`^[!\x23-\x5B\x5D-\x7E]+$`)

func oneNonce(s *stage, response harness.Response) {
	if nonces := response.Header.Values("DPoP-Nonce"); len(nonces) != 1 || !nqchar.MatchString(nonces[0]) {
		s.Errorf("%d DPoP-Nonce fields, expected one of 1*NQCHAR", len(nonces))
	}
}

// exposesToBrowsers asks again as a script of another origin does.
func exposesToBrowsers(s *stage, _ harness.Response) {
	header := harness.Credentials(s.AT1, s.proof(harness.Object{"nonce": nil}).Sign())
	header["Origin"] = []string{"https://app.example"}
	exposed := strings.ToLower(strings.Join(s.get(header).Header.Values("Access-Control-Expose-Headers"), ", "))
	if !strings.Contains(exposed, "dpop-nonce") || !strings.Contains(exposed, "www-authenticate") {
		s.Errorf("Access-Control-Expose-Headers is %q", exposed)
	}
}
