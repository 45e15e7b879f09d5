// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// failover loses the primary in three ways while two nodes serve good clients
// and a thief replays everything. The replica that takes over has missed the
// last writes. Nodes reach Redis at an address
// that stays, as behind a service of Kubernetes.
func failover(r *run) {
	world := harness.NewWorld(r)
	primary, replica := harness.StartRedis(r), harness.StartRedis(r)
	replica.Follow(r, primary)
	network := newProxy(r, primary.Address)
	options := harness.Node(network.address)
	options.Site = "log_skip"
	nodes := []*harness.Server{world.Start(r, options), world.Start(r, options)}

	s := &storm{nodes: nodes}
	s.warmUp(r)
	failovers := r.size(3, 200)
	during(func() {
		for i := range failovers {
			s.settle(r)
			replica.Tell(r, "replicaof", "no", "one") // from here on it misses what the primary records
			s.settle(r)
			s.failing.Store(time.Now().UnixNano())
			lose := []func(){primary.Kill, primary.Pause, func() { network.become(silent) }}[i%3]
			lose()
			pause()
			network.become(healthy)
			network.lead(replica.Address)
			s.settle(r)
			primary.Kill() // and comes back empty, as the replica of the other
			primary.Run(r)
			primary.Follow(r, replica)
			primary, replica = replica, primary
			world.Backend.Forget()
		}
	}, s.good(0), s.good(1), s.theft(0), s.theft(1))
	r.count("failovers", failovers)
	r.count("requests", s.requests.Load())
	r.count("replays", s.replays.Load())
	r.atMost("replays accepted", s.accepted.Load(), 0)
	r.atMost("answers invalid_token", s.invalid.Load(), 0)
	r.atMost("requests without an answer", s.lost.Load(), 0)
	r.count("503 in that time", s.unavailable.Load())
	r.atMost("longest time without service, in ms", time.Duration(s.outage.Load()).Milliseconds(), 5000)
}

// storm is good clients at nodes, and a thief who replays what passed.
type storm struct {
	nodes   []*harness.Server
	devices [2]*device
	thief   captured

	failing atomic.Int64 // when the last fault began, 0 once a good client was served again
	served  [2]atomic.Int64
	outage  longest

	requests, replays, accepted, invalid, lost, unavailable atomic.Int64
}

// warmUp waits until all nodes serve.
func (s *storm) warmUp(r *run) {
	for i, node := range s.nodes {
		s.devices[i] = newDevice(node.World)
		harness.Eventually(r, "a node to serve", func() bool { return s.devices[i].use(node, harness.HTTP2).passed() })
	}
}

// good is a client that goes to each node in turn.
func (s *storm) good(client int) func() {
	turn := 0
	return func() {
		turn++
		node := turn % len(s.nodes)
		used := s.devices[client].use(s.nodes[node], harness.HTTP2)
		s.requests.Add(1)
		switch {
		case used.err != nil:
			s.lost.Add(1)
		case used.Status == http.StatusOK:
			s.thief.add(used.sent)
			s.served[node].Store(time.Now().UnixNano())
		case used.Status == http.StatusServiceUnavailable:
			s.unavailable.Add(1)
			time.Sleep(10 * time.Millisecond)
		case used.Error == "invalid_token":
			s.invalid.Add(1)
		}
	}
}

// theft replays the youngest of what passed to one node.
func (s *storm) theft(node int) func() {
	return func() {
		for _, request := range s.thief.last(20) {
			response, err := s.nodes[node].Try(harness.HTTP2, request)
			s.replays.Add(1)
			switch {
			case err != nil:
				s.lost.Add(1)
			case response.Status == http.StatusOK:
				s.accepted.Add(1)
			case response.Error == "invalid_token":
				s.invalid.Add(1)
			}
		}
		pause()
	}
}

// settle waits until both nodes have served good clients after the last
// fault, and notes how long that took.
func (s *storm) settle(r *run) {
	since := s.failing.Load()
	mark := time.Now().UnixNano()
	harness.Eventually(r, "the nodes to serve again", func() bool {
		for i := range s.served {
			if s.served[i].Load() < mark {
				return false
			}
		}
		return true
	})
	if since != 0 {
		s.outage.add(time.Duration(max(s.served[0].Load(), s.served[1].Load()) - since))
		s.failing.Store(0)
	}
}
