// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// clusterCases are about several nodes. Each starts its own.
var clusterCases = map[string]play{
	"TIME-018": {
		reason: "proof_replayed",
		send:   func(s *stage) []harness.Response { return raceAtTwoNodes(s, 300) },
		must:   []func(*stage, harness.Response){seenWhileSending},
	},
	"TIME-019": {unit: "cache/redis TestClocksOfNodesMayBeAMinuteApart TestOfRacingCopiesExactlyOneIsAdded"},
	"TIME-023": {send: func(s *stage) []harness.Response {
		a, b := twoNodes(s)
		proof := harness.Proof{Key: s.K1, Token: s.AT1, Path: path, Nonce: askForNonce(s, a)}
		return one(b.Do(s, harness.HTTP1, harness.Request{Path: path, Header: harness.Credentials(s.AT1, proof.Sign())}))
	}},
	"TIME-024": {send: playRotation, must: []func(*stage, harness.Response){seenWhileSending}},
}

const (
	oldSecret = "the-old-secret-of-nonces-at-two-nodes"
	newSecret = "the-new-secret-of-nonces-at-two-nodes"
)

// twoNodes are two processes with a memory of their own and shared secrets,
// which always ask for a nonce.
func twoNodes(s *stage) (a, b *harness.Server) {
	options := harness.Options{Proof: "nonce required\nnonce_secret " + oldSecret + " " + newSecret}
	return s.Start(s, options), s.Start(s, options)
}

// askForNonce gets a nonce from this very node.
func askForNonce(s *stage, node *harness.Server) string {
	response := node.Do(s, harness.HTTP2, harness.Request{Path: path, Header: harness.Credentials(s.AT1, harness.Proof{Key: s.K1, Token: s.AT1, Path: path}.Sign())})
	if response.Error != "use_dpop_nonce" {
		s.Fatalf("asked without a nonce: %d %q", response.Status, response.Error)
	}
	return response.Header.Get("DPoP-Nonce")
}

// playRotation lets clients go back and forth between two nodes while the
// secret is rotated at one of them first. None is asked for a nonce twice.
func playRotation(s *stage) []harness.Response {
	a, b := twoNodes(s)
	rotated := harness.Options{Proof: "nonce required\nnonce_secret " + newSecret + " " + oldSecret}
	var responses []harness.Response
	clients := make([]string, 5) // the last nonce of each
	asked := make([]int, len(clients))
	bounce := func() {
		for range 4 {
			for i, nonce := range clients {
				node := []*harness.Server{a, b}[(i+len(responses))%2]
				proof := harness.Proof{Key: s.K1, Token: s.AT1, Path: path, Nonce: nonce}
				response := node.Do(s, harness.HTTP2, harness.Request{Path: path, Header: harness.Credentials(s.AT1, proof.Sign())})
				if response.Error == "use_dpop_nonce" {
					asked[i]++
					clients[i] = response.Header.Get("DPoP-Nonce")
					continue
				}
				responses = append(responses, response)
			}
		}
	}
	bounce()
	for _, node := range []*harness.Server{a, b} {
		if err := node.Reload(rotated); err != nil {
			s.Fatal(err)
		}
		clients[0] = askForNonce(s, node) // of the new secret; the other node does not issue such yet
		asked[0] = 0
		bounce()
	}
	for i, times := range asked {
		if times > 1 {
			s.Errorf("client %d was asked for a nonce %d times", i, times)
		}
	}
	return responses
}

// raceAtTwoNodes sends one proof to two nodes at the same moment, again and
// again, and returns some of what lost at the first.
func raceAtTwoNodes(s *stage, rounds int) []harness.Response {
	redis := harness.StartRedis(s)
	nodes := []*harness.Server{s.Start(s, harness.Node(redis.Address)), s.Start(s, harness.Node(redis.Address))}
	s.server = nodes[0]
	nonce := s.server.Nonce(s)
	var losers []harness.Response
	for round := range rounds {
		proof := harness.Proof{Key: s.K1, Token: s.AT1, Path: path, Nonce: nonce}.Sign()
		request := harness.Request{Path: path, Header: harness.Credentials(s.AT1, proof)}
		var responses [2]harness.Response
		var passed atomic.Int32
		var group sync.WaitGroup
		barrier := make(chan struct{})
		for i, node := range nodes {
			group.Go(func() {
				<-barrier
				response, err := node.Try(harness.HTTP2, request)
				if err != nil {
					s.Errorf("round %d: %v", round, err)
				}
				if responses[i] = response; response.Status == http.StatusOK {
					passed.Add(1)
				}
			})
		}
		close(barrier)
		group.Wait()
		if passed.Load() != 1 {
			s.Fatalf("round %d: %d of 2 copies passed", round, passed.Load())
		}
		for i, response := range responses {
			switch {
			case response.Status == http.StatusOK:
			case i == 0 && len(losers) < 3:
				losers = append(losers, response)
			case response.Error != "invalid_dpop_proof":
				s.Errorf("round %d: %d %q", round, response.Status, response.Error)
			}
		}
	}
	return losers
}

// TestAnOutageOfTheStore shows both postures from outside: 503 and no
// challenge, or a nonce of the node that asks for it. What is captured before
// is worthless then and afterwards, at every node.
func TestAnOutageOfTheStore(t *testing.T) {
	for _, posture := range []string{"block", "nonce"} {
		t.Run(posture, func(t *testing.T) {
			world := harness.NewWorld(t)
			redis := harness.StartRedis(t)
			options := harness.Node(redis.Address, "on_outage "+posture)
			a, b := world.Start(t, options), world.Start(t, options)
			captured := world.Bound("GET", path, a.Nonce(t))
			wantAnswer(t, a, captured, 200, "")
			wantAnswer(t, b, captured, 401, "invalid_dpop_proof")
			redis.Pause()
			first := world.Bound("GET", path, a.Nonce(t))
			if posture == "block" {
				response := wantAnswer(t, a, first, 503, "")
				if response.Header.Get("Retry-After") == "" || len(response.Challenges) > 0 {
					t.Errorf("Retry-After %q, challenges %v", response.Header.Get("Retry-After"), response.Challenges)
				}
				if record := a.Record(t, response.CorrelationID); record.Status.AdditionalDetails != "replay_unavailable" {
					t.Errorf("recorded as %q", record.Status.AdditionalDetails)
				}
			} else {
				own := wantAnswer(t, a, first, 401, "use_dpop_nonce").Header.Get("DPoP-Nonce")
				during := world.Bound("GET", path, own)
				wantAnswer(t, a, during, 200, "")
				wantAnswer(t, a, during, 401, "invalid_dpop_proof")
				wantAnswer(t, b, during, 401, "use_dpop_nonce")
				redis.Resume()
				settled(t, b, world)
				wantAnswer(t, b, during, 401, "use_dpop_nonce") // the store knows nothing of it
			}
			redis.Resume()
			settled(t, a, world)
			settled(t, b, world)
			for _, node := range []*harness.Server{a, b} {
				if response := node.Do(t, harness.HTTP1, captured); response.Status == 200 {
					t.Error("a replay passed after the outage")
				}
			}
		})
	}
}

// TestAStoreThatRefusesThePassword: the server starts and blocks, the log says
// why, and with the right password it serves. Neither password is in any
// output, which the end of all tests makes sure of.
func TestAStoreThatRefusesThePassword(t *testing.T) {
	world := harness.NewWorld(t)
	right := harness.Secret("Redis password", "the-right-password-of-redis-0123456789")
	wrong := harness.Secret("Redis password", "not-the-right-password-of-redis-012345")
	redis := harness.StartRedis(t, "--requirepass", right)
	node := world.Start(t, harness.Node(":"+wrong+"@"+redis.Address))
	response := wantAnswer(t, node, world.Bound("GET", path, ""), 503, "")
	if record := node.Record(t, response.CorrelationID); record.Status.AdditionalDetails != "replay_unavailable" {
		t.Errorf("recorded as %q", record.Status.AdditionalDetails)
	}
	harness.Eventually(t, "the log to say why", func() bool {
		for _, line := range node.Lines("token_protection.replay") {
			if strings.Contains(fmt.Sprint(line["error"]), "WRONGPASS") {
				return true
			}
		}
		return false
	})
	if err := node.Reload(harness.Node(":" + right + "@" + redis.Address)); err != nil {
		t.Fatal(err)
	}
	settled(t, node, world)
	if got := len(node.Lines("token_protection.replay")); got != 1 {
		t.Errorf("%d lines in the log, want one", got)
	}
}

// settled waits until a node accepts proofs again.
func settled(t *testing.T, node *harness.Server, world *harness.World) {
	t.Helper()
	nonce := ""
	harness.Eventually(t, "a proof to be accepted again", func() bool {
		response := node.Do(t, harness.HTTP1, world.Bound("GET", path, nonce))
		if response.Error == "use_dpop_nonce" {
			nonce = response.Header.Get("DPoP-Nonce")
		}
		return response.Status == 200
	})
}

func wantAnswer(t *testing.T, node *harness.Server, request harness.Request, status int, code string) harness.Response {
	t.Helper()
	response := node.Do(t, harness.HTTP1, request)
	if got := fmt.Sprint(response.Status, " ", response.Error); got != fmt.Sprint(status, " ", code) {
		t.Errorf("answered %s, want %d %s", got, status, code)
	}
	return response
}
