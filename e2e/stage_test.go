// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/client"
	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// The request of most cases.
const path = "/api/x"

// proof is a right proof for GET /api/x with AT1, with changes to its claims.
func (s *stage) proof(claims harness.Object) harness.Proof {
	return harness.Proof{Key: s.K1, Token: s.AT1, Path: path, Nonce: s.server.Nonce(s), Claims: claims}
}

// withHeader is a right proof but for its JOSE header.
func (s *stage) withHeader(header harness.Object) string {
	proof := s.proof(nil)
	proof.Header = header
	return proof.Sign()
}

// as is a right proof by another key, and a token that is bound to it.
func (s *stage) as(key harness.Key, header harness.Object) http.Header {
	token := s.Issuer.Mint(harness.BoundTo(key))
	return harness.Credentials(token, harness.Proof{
		Key: key, Token: token, Path: path, Nonce: s.server.Nonce(s), Header: header,
	}.Sign())
}

// get sends GET /api/x with header fields.
func (s *stage) get(header http.Header) harness.Response {
	s.Helper()
	return s.server.Do(s, harness.HTTP1, harness.Request{Path: path, Header: header})
}

// each sends GET /api/x with AT1 and each proof in turn.
func (s *stage) each(proofs ...string) []harness.Response {
	s.Helper()
	var responses []harness.Response
	for _, proof := range proofs {
		responses = append(responses, s.get(harness.Credentials(s.AT1, proof)))
	}
	return responses
}

// eachClaims sends a proof for each change to the claims.
func (s *stage) eachClaims(changes ...harness.Object) []harness.Response {
	s.Helper()
	var proofs []string
	for _, change := range changes {
		proofs = append(proofs, s.proof(change).Sign())
	}
	return s.each(proofs...)
}

// eachHeader sends a proof for each change to the JOSE header.
func (s *stage) eachHeader(changes ...harness.Object) []harness.Response {
	s.Helper()
	var proofs []string
	for _, change := range changes {
		proofs = append(proofs, s.withHeader(change))
	}
	return s.each(proofs...)
}

// eachToken sends each token, under DPoP, with a right proof for it by K1.
func (s *stage) eachToken(tokens ...string) []harness.Response {
	s.Helper()
	var responses []harness.Response
	for _, token := range tokens {
		proof := s.proof(nil)
		proof.Token = token
		responses = append(responses, s.get(harness.Credentials(token, proof.Sign())))
	}
	return responses
}

// passes fails the test if a request that prepares a case does not pass.
func (s *stage) passes(response harness.Response) harness.Response {
	s.Helper()
	if response.Status != http.StatusOK {
		s.Fatalf("the first request got %d %q: %s", response.Status, response.Error, response.Body)
	}
	return response
}

// one is the answer of a case that has just one.
func one(response harness.Response) []harness.Response { return []harness.Response{response} }

// challenge returns the challenge of a scheme.
func challenge(response harness.Response, scheme string) (client.Challenge, bool) {
	for _, challenge := range response.Challenges {
		if strings.EqualFold(challenge.Scheme, scheme) {
			return challenge, true
		}
	}
	return client.Challenge{}, false
}

func offersDPoP(s *stage, response harness.Response) {
	if dpop, _ := challenge(response, "DPoP"); !strings.Contains(dpop.Parameters["algs"], "ES256") {
		s.Errorf("no DPoP challenge with algs in %q", response.Header.Values("WWW-Authenticate"))
	}
}

func notStored(s *stage, response harness.Response) {
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		s.Errorf("Cache-Control is %q", got)
	}
}

// seenWhileSending stands for a `must` that only `send` itself can check.
func seenWhileSending(*stage, harness.Response) {}
