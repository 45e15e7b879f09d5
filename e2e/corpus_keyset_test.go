// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// keySetCases are about the issuer's key set: unknown, cold, gone. Each has
// an issuer and a server of its own.
var keySetCases = map[string]play{
	"AT-007": {reason: "token_key_unknown", send: playUnknownKeys, must: []func(*stage, harness.Response){seenWhileSending}},
	"AT-028": {send: playColdKeySet, must: []func(*stage, harness.Response){seenWhileSending}},
	"AT-029": {
		reason: "key_set_unavailable",
		send: func(s *stage) []harness.Response {
			s.World = harness.NewWorld(s)
			s.Issuer.Answer(harness.Down)
			s.server = s.Start(s, s.profile)
			return one(s.server.Do(s, harness.HTTP1, s.Bound("GET", path, "")))
		},
		must: []func(*stage, harness.Response){
			func(s *stage, response harness.Response) {
				if response.Header.Get("Retry-After") == "" {
					s.Error("no Retry-After")
				}
			},
			func(s *stage, response harness.Response) {
				if lines := response.Header.Values("WWW-Authenticate"); len(lines) > 0 {
					s.Errorf("WWW-Authenticate is %q", lines)
				}
			},
			keySetDegraded,
		},
	},
	// The contract is stricter than the case: a stale key set is served for 25 minutes, and then nothing is.
	"AT-030": {unit: "enforcement/token TestOutage"},
	"AT-031": {unit: "enforcement/token TestUnknownKeyDuringAnOutageIsUnavailable TestOutage"},
}

// playUnknownKeys asks with many key ids that the issuer does not have. They
// cause at most one fetch in 30 s besides the first.
func playUnknownKeys(s *stage) []harness.Response {
	s.World = harness.NewWorld(s)
	s.server = s.Start(s, s.profile)
	s.passes(s.each(s.proof(nil).Sign())[0])
	var tokens []string
	for number := range 30 {
		header := harness.With(s.Issuer.Header(), harness.Object{"kid": fmt.Sprintf("unknown-%d", number)})
		tokens = append(tokens, s.K2.Sign(header, harness.With(s.Issuer.Claims(), harness.BoundTo(s.K1))))
	}
	responses := s.eachToken(tokens...)
	if n := s.Issuer.Fetches(); n > 2 {
		s.Errorf("%d fetches of the key set", n)
	}
	return responses
}

// playColdKeySet sends 1000 requests with one token while the first fetch of
// the key set is under way, and then lets the issuer answer. No proof owes a
// nonce: with a clock skew of 0 those made a second after the start are
// known to be new.
func playColdKeySet(s *stage) []harness.Response {
	s.World = harness.NewWorld(s)
	gate := make(chan struct{})
	s.Issuer.Answer(func(w http.ResponseWriter, keySet []byte) {
		<-gate
		_, _ = w.Write(keySet)
	})
	s.server = s.Start(s, harness.Options{Proof: "clock_skew 0s", App: "replay memory {\nmax_per_key 2000\n}"})
	started := time.Now()
	harness.Eventually(s, "a second to pass", func() bool { return time.Since(started) > 1100*time.Millisecond })

	const copies = 1000
	requests := make([]harness.Request, copies)
	for i := range requests {
		requests[i] = s.Bound("GET", path, "")
	}
	responses, errors := make([]harness.Response, copies), make([]error, copies)
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() { responses[i], errors[i] = s.server.Try(harness.HTTP2, requests[i]) })
	}
	opened := time.AfterFunc(500*time.Millisecond, func() { close(gate) })
	all.Wait()
	defer opened.Stop()
	for _, err := range errors {
		if err != nil {
			s.Fatal(err)
		}
	}
	if n := s.Issuer.Fetches(); n != 1 {
		s.Errorf("%d fetches of the key set, expected 1", n)
	}
	return responses
}

// keySetDegraded looks where an administrator's monitoring does.
func keySetDegraded(s *stage, _ harness.Response) {
	metrics := s.metrics()
	if !strings.Contains(metrics, fmt.Sprintf("caddy_token_protection_key_set_keys{issuer=%q} 0", s.Issuer.URL)) {
		s.Error("the metrics do not say that there are no keys")
	}
	if !strings.Contains(metrics, fmt.Sprintf("caddy_token_protection_key_set_fetches_total{issuer=%q,result=\"failure\"} 1", s.Issuer.URL)) {
		s.Error("the metrics do not say that a fetch failed")
	}
}

// metrics reads the server's metrics.
func (s *stage) metrics() string {
	response, err := http.Get(s.server.AdminURL("/metrics"))
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}
