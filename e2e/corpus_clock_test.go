// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// clockCases are about time. The server's clock is the machine's, so proofs
// are made with times of their own, and windows are short.
var clockCases = map[string]play{
	"TIME-001": {reason: "proof_time", send: issued(-3600)},
	"TIME-002": {reason: "proof_time", send: issued(3600)},
	"TIME-003": {send: issued(8)},
	"TIME-004": {send: issued(-10)},
	"TIME-007": {reason: "proof_replayed or proof_time", send: playWholeWindow, must: []func(*stage, harness.Response){seenWhileSending}},
	"TIME-009": {reason: "proof_replayed, proof_time", send: playLastSecond},
	"TIME-012": {
		reason: "nonce_stale",
		send: func(s *stage) []harness.Response {
			s.server = s.Start(s, s.profile)
			var captured []string
			for range 20 {
				captured = append(captured, s.proof(nil).Sign())
			}
			for _, response := range s.each(captured...) {
				s.passes(response)
			}
			s.server.Kill()
			s.server.Run(s)
			return s.each(captured...)
		},
		// The answers are all there are.
		must: []func(*stage, harness.Response){seenWhileSending},
	},
	"TIME-014": {
		reason: "proof_replayed",
		send: func(s *stage) []harness.Response {
			s.server = s.Start(s, s.profile)
			proof := s.proof(nil).Sign()
			s.passes(s.each(proof)[0])
			if err := s.server.Reload(harness.Options{Handler: "realm reloaded"}); err != nil {
				s.Fatal(err)
			}
			after := s.each(proof)
			if dpop, _ := challenge(after[0], "DPoP"); dpop.Parameters["realm"] != "reloaded" {
				s.Errorf("the reload changed nothing: %v", dpop.Parameters)
			}
			return after
		},
		// The error is a replay's and not a request for a nonce: nothing was forgotten.
		must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
			if record := s.server.Record(s, response.CorrelationID); record.Status.AdditionalDetails != "proof_replayed" {
				s.Errorf("refused for %q", record.Status.AdditionalDetails)
			}
		}},
	},
}

// issued sends a proof whose iat is off by some seconds.
func issued(offset int64) func(s *stage) []harness.Response {
	return func(s *stage) []harness.Response {
		return s.eachClaims(harness.Object{"iat": time.Now().Unix() + offset})
	}
}

// playWholeWindow replays a proof until five seconds after its window of two.
// It is made and spent right after the clock has ticked: iat is in whole
// seconds, so such a proof is good for almost a second longer than max_age.
func playWholeWindow(s *stage) []harness.Response {
	s.server = s.Start(s, harness.Options{Proof: "max_age 2s\nclock_skew 0s"})
	s.server.Nonce(s)
	harness.Eventually(s, "the beginning of a second", func() bool { return time.Now().Nanosecond() < 100e6 })
	proof := s.proof(nil).Sign()
	s.passes(s.each(proof)[0])
	var replays []harness.Response
	for end := time.Now().Add(7 * time.Second); time.Now().Before(end); {
		replays = append(replays, s.each(proof)...)
		<-time.After(200 * time.Millisecond)
	}
	return replays
}

// playLastSecond gets a proof accepted in the last second of its window. The
// clock may tick in between, and then another proof is made.
func playLastSecond(s *stage) []harness.Response {
	var proof string
	harness.Eventually(s, "a proof to be accepted in its last second", func() bool {
		proof = s.proof(harness.Object{"iat": time.Now().Unix() - 60}).Sign()
		return s.each(proof)[0].Status == http.StatusOK
	})
	second := time.Now().Unix()
	replays := s.each(proof)
	harness.Eventually(s, "the next second", func() bool { return time.Now().Unix() > second })
	return append(replays, s.each(proof)...)
}
