// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// bindingCases are stolen tokens and recorded proofs.
var bindingCases = map[string]play{
	"DPOP-128": {
		reason: "key_mismatch",
		send: func(s *stage) []harness.Response {
			return s.each(harness.Proof{Key: s.K2, Token: s.AT1, Path: path, Nonce: s.server.Nonce(s), Claims: harness.Object{"jti": "stolen-token"}}.Sign())
		},
		// The same key and jti pass with mallory's own token, so nothing was recorded.
		must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
			own := harness.Proof{Key: s.K2, Token: s.ATM, Path: path, Nonce: s.server.Nonce(s), Claims: harness.Object{"jti": "stolen-token"}}
			s.passes(s.get(harness.Credentials(s.ATM, own.Sign())))
		}},
	},
	"DPOP-131": {reason: "proof_replayed", send: func(s *stage) []harness.Response {
		proof := s.proof(nil).Sign()
		s.passes(s.each(proof)[0])
		return s.each(proof)
	}},
	"DPOP-132": {reason: "proof_replayed", send: func(s *stage) []harness.Response {
		first := s.proof(nil)
		_, claims := first.Parts()
		first.Claims = harness.Object{"jti": claims["jti"]}
		s.passes(s.each(first.Sign())[0])
		again := first
		again.Claims = harness.With(first.Claims, harness.Object{"iat": claims["iat"].(int64) - 1})
		return s.each(first.Sign(), again.Sign()) // the first signed anew: ES256 is randomised
	}},
	"DPOP-133": {send: func(s *stage) []harness.Response {
		claims := harness.Object{"jti": "the-same-for-two-keys"}
		own := harness.Proof{Key: s.K2, Token: s.ATM, Path: path, Nonce: s.server.Nonce(s), Claims: claims}
		return append(s.eachClaims(claims), s.get(harness.Credentials(s.ATM, own.Sign())))
	}},
	"DPOP-136": {reason: "proof_replayed", send: func(s *stage) []harness.Response {
		header := harness.Credentials(s.AT1, s.proof(nil).Sign())
		s.passes(s.server.Do(s, harness.HTTP1, harness.Request{Path: path + "?a=1", Header: header}))
		return one(s.server.Do(s, harness.HTTP1, harness.Request{Path: path + "?a=2", Header: header}))
	}},
	"DPOP-140": {reason: "proof_replayed", send: func(s *stage) []harness.Response {
		request := s.Bound("POST", "/api/broken", s.server.Nonce(s))
		if first := s.server.Do(s, harness.HTTP1, request); first.Status != http.StatusBadGateway {
			s.Fatalf("the first request got %d", first.Status)
		}
		return one(s.server.Do(s, harness.HTTP1, request))
	}},
	"DPOP-142": {reason: "proof_replayed", send: func(s *stage) []harness.Response {
		proof := s.proof(nil).Sign()
		upgrade := func() harness.Response {
			id := harness.NewID()
			return s.server.Raw(s, id, "GET "+path+" HTTP/1.1\r\nHost: "+harness.Host+"\r\n"+harness.IDHeader+": "+id+
				"\r\nAuthorization: DPoP "+s.AT1+"\r\nDPoP: "+proof+"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		}
		if first := upgrade(); first.Status != http.StatusSwitchingProtocols {
			s.Fatalf("the first upgrade got %d", first.Status)
		}
		return one(upgrade())
	}},
}
