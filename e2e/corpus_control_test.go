// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// controlCases are right, if unusual.
var controlCases = map[string]play{
	"DPOP-001": {send: func(s *stage) []harness.Response { return s.each(s.proof(nil).Sign()) }},
	"DPOP-003": {send: func(s *stage) []harness.Response { return one(s.get(s.as(s.R1, nil))) }},
	"DPOP-006": {send: func(s *stage) []harness.Response {
		return one(s.get(http.Header{"Authorization": {"DPoP " + s.AT1}, "DPOP": {s.proof(nil).Sign()}}))
	}},
	"DPOP-007": {send: func(s *stage) []harness.Response {
		return one(s.get(http.Header{"Authorization": {"dpOP " + s.AT1}, "Dpop": {s.proof(nil).Sign()}}))
	}},
	"DPOP-009": {send: func(s *stage) []harness.Response {
		proof := s.proof(harness.Object{"tx_id_key": "b"})
		proof.Header = harness.Object{"tx_id": "a"}
		return s.each(proof.Sign())
	}},
	"DPOP-109": {send: func(s *stage) []harness.Response {
		proof := s.proof(harness.Object{"htu": harness.Origin + path + "?query=1#fragment"}).Sign()
		return one(s.server.Do(s, harness.HTTP1, harness.Request{Path: path + "?another=2", Header: harness.Credentials(s.AT1, proof)}))
	}},
	"DPOP-110": {
		send: func(s *stage) []harness.Response {
			return one(s.server.Do(s, harness.HTTP1, harness.Request{
				Path: path + "?q=1", Header: harness.Credentials(s.AT1, s.proof(nil).Sign()),
			}))
		},
		must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
			for _, arrival := range response.Arrivals() {
				if arrival.URI != path+"?q=1" {
					s.Errorf("the backend was asked for %s", arrival.URI)
				}
			}
		}},
	},
	"DPOP-111": {send: func(s *stage) []harness.Response {
		return s.eachClaims(harness.Object{"htu": "HTTPS://MAIL.EXAMPLE" + path})
	}},
	"DPOP-112": {send: func(s *stage) []harness.Response {
		return s.eachClaims(harness.Object{"htu": harness.Origin + ":443" + path})
	}},
	"DPOP-113": {send: func(s *stage) []harness.Response {
		proof := s.proof(harness.Object{"htu": harness.Origin})
		proof.Path = "/"
		return one(s.server.Do(s, harness.HTTP1, harness.Request{Path: "/", Header: harness.Credentials(s.AT1, proof.Sign())}))
	}},
}
