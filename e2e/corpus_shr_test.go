// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// shrCases are about signed HTTP requests (scheme PoP).
var shrCases = map[string]play{
	"SHR-001": {send: func(s *stage) []harness.Response {
		request := s.signed(nil)
		request.Key = harness.Key{Algorithm: "RS256", Private: s.R1.Private}
		return one(s.get(harness.PoP(request.Sign())))
	}},
	"SHR-004": {reason: "proof_time", send: func(s *stage) []harness.Response {
		return s.eachSigned(harness.Object{"ts": time.Now().Unix() - 360})
	}},
	"SHR-005": {reason: "proof_time", send: func(s *stage) []harness.Response {
		return s.eachSigned(harness.Object{"ts": time.Now().Unix() + 3600})
	}},
	"SHR-007": {reason: "proof_method", send: func(s *stage) []harness.Response { return s.eachSigned(harness.Object{"m": "POST"}) }},
	"SHR-009": {reason: "proof_url", send: func(s *stage) []harness.Response { return s.eachSigned(harness.Object{"u": "evil.example"}) }},
	"SHR-011": {reason: "proof_url", send: func(s *stage) []harness.Response { return s.eachSigned(harness.Object{"p": "/api/y"}) }},
	"SHR-014": {send: func(s *stage) []harness.Response {
		return one(s.signedQuery("b=bar&a=foo&c=duck", covers("b=bar&a=foo&c=duck", "b", "a", "c")))
	}},
	"SHR-015": {reason: "proof_query", send: func(s *stage) []harness.Response {
		return []harness.Response{
			s.signedQuery("b=baz&a=foo", covers("b=bar", "b")),
			s.signedQuery("b=bar&b=baz", covers("b=bar", "b")),
		}
	}},
	"SHR-016": {reason: "proof_query", send: func(s *stage) []harness.Response {
		s.passes(s.signedQuery("b=bar", covers("b=bar", "b")))
		return one(s.signedQuery("b=bar&admin=1", covers("b=bar", "b")))
	}},
	"SHR-021": {reason: "proof_headers", send: func(s *stage) []harness.Response {
		header := harness.PoP(s.signed(harness.Object{"h": covers("header-a: 2", "header-a")}).Sign())
		header.Set("Header-A", "1")
		return one(s.get(header))
	}},
	"SHR-024": {
		reason: "proof_body",
		send: func(s *stage) []harness.Response {
			s.passes(s.signedBody(harness.HTTP1, "hello", strings.NewReader("hello")))
			var responses []harness.Response
			for _, protocol := range harness.Protocols {
				responses = append(responses, s.signedBody(protocol, "hello", strings.NewReader("hellp")))
			}
			return responses
		},
		must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
			if arrivals := response.Arrivals(); len(arrivals) > 0 {
				s.Errorf("the backend saw %d bytes of the body", len(arrivals[0].Body))
			}
		}},
	},
	"SHR-025": {
		reason: "body_too_large",
		send: func(s *stage) []harness.Response {
			const size, larger, growth = 50 << 20, 1 << 30, 192 << 10 // growth in KiB
			s.passes(s.signedBody(harness.HTTP2, "hello", strings.NewReader("hello")))
			before := peak(s.T, s.server)
			responses := []harness.Response{
				s.signedBody(harness.HTTP2, "hello", io.LimitReader(zeros{}, size)),
				s.signedBody(harness.HTTP2, "hello", io.LimitReader(zeros{}, larger)),
				s.signedBody(harness.HTTP3, "hello", io.LimitReader(zeros{}, larger)),
			}
			// 10 MiB are kept of each, with much beside them where the race detector is built in.
			if after := peak(s.T, s.server); after-before > growth {
				s.Errorf("the server's memory rose from %d to %d KiB", before, after)
			}
			return responses
		},
		must: []func(*stage, harness.Response){seenWhileSending},
	},
	"SHR-028": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		return s.eachSigned(harness.Object{"at": nil}, harness.Object{"at": ""})
	}},
	"SHR-031": {reason: "key_mismatch, proof_signature", send: func(s *stage) []harness.Response {
		request := s.signed(nil)
		request.Token, request.Key = s.Issuer.Mint(harness.Confirmed(s.K1)), s.K2
		own := request.Sign()
		request.Claims = harness.Object{"cnf": harness.Object{"jwk": s.K1.JWK()}}
		return []harness.Response{s.get(harness.PoP(own)), s.get(harness.PoP(request.Sign()))}
	}},
	"SHR-032": {reason: "key_mismatch", send: func(s *stage) []harness.Response {
		request := s.signed(nil)
		request.Key = s.K2
		request.Claims = harness.Object{"cnf": harness.Object{"jwk": s.K2.JWK(), "kid": s.R1.Thumbprint()}}
		return one(s.get(harness.PoP(request.Sign())))
	}},
	"SHR-036": {reason: "proof_replayed", send: func(s *stage) []harness.Response {
		signed := s.signed(nil).Sign()
		s.passes(s.get(harness.PoP(signed)))
		return []harness.Response{s.get(harness.PoP(signed)), s.get(harness.PoP(signed))}
	}},
	"SHR-038": {
		reason: "nonce_missing",
		send: func(s *stage) []harness.Response {
			request := s.signed(nil)
			request.Nonce = ""
			return one(s.get(harness.PoP(request.Sign())))
		},
		must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
			pop, _ := challenge(response, "PoP")
			request := s.signed(nil)
			request.Nonce = pop.Parameters["nonce"]
			s.passes(s.get(harness.PoP(request.Sign())))
		}},
	},
}

// signed is a right signed request by R1 for GET /api/x, with changes to its
// claims, and a token that is bound to R1.
func (s *stage) signed(claims harness.Object) harness.SignedRequest {
	return harness.SignedRequest{
		Key: s.R1, Token: s.Issuer.Mint(harness.Confirmed(s.R1)), Path: path, Nonce: s.server.PoPNonce(s), Claims: claims,
	}
}

// eachSigned sends a signed request for each change to the claims.
func (s *stage) eachSigned(changes ...harness.Object) []harness.Response {
	s.Helper()
	var responses []harness.Response
	for _, change := range changes {
		responses = append(responses, s.get(harness.PoP(s.signed(change).Sign())))
	}
	return responses
}

// signedQuery sends GET /api/x with a query and the claim q.
func (s *stage) signedQuery(query string, q any) harness.Response {
	s.Helper()
	header := harness.PoP(s.signed(harness.Object{"q": q}).Sign())
	return s.server.Do(s, harness.HTTP1, harness.Request{Path: path + "?" + query, Header: header})
}

// signedBody sends POST /api/x with a body, and the claim b for another.
func (s *stage) signedBody(protocol harness.Protocol, covered string, body io.Reader) harness.Response {
	s.Helper()
	request := s.signed(harness.Object{"b": hashOf(covered)})
	request.Method = http.MethodPost
	return s.server.Do(s, protocol, harness.Request{Method: request.Method, Path: path, Header: harness.PoP(request.Sign()), Stream: body})
}

// covers is the value of q or h: names, and the hash of what stands under them.
func covers(text string, names ...string) []any { return []any{names, hashOf(text)} }

func hashOf(text string) string {
	hash := sha256.Sum256([]byte(text))
	return harness.B64(hash[:])
}
