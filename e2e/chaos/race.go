// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"sync/atomic"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// oneProofAtTwoNodes sends each proof to two nodes at the same moment. That
// the nodes' clocks are off is in the tests of cache/redis, for processes of
// one machine share its clock.
func oneProofAtTwoNodes(r *run) {
	world, redis := harness.NewWorld(r), harness.StartRedis(r)
	options := harness.Node(redis.Address)
	options.Site = "log_skip"
	nodes := []*harness.Server{world.Start(r, options), world.Start(r, options)}
	rounds := r.size(300, 100_000)
	r.race(world, rounds, 2, func(copy int) *harness.Server { return nodes[copy%2] })
}

// parallelCopies sends each proof 200 times at the same moment.
func parallelCopies(r *run) {
	server := r.start(harness.Options{})
	r.race(server.World, r.size(10, 10_000), 200, func(int) *harness.Server { return server })
}

// race sends copies of one proof in each round, and counts how many passed.
func (r *run) race(world *harness.World, rounds, copies int, node func(copy int) *harness.Server) {
	var none, several, wrong, lost int64
	d := newDevice(world)
	for round := range rounds {
		if round%200 == 0 { // nonces live two minutes, and one key has a quota
			d = newDevice(world)
			if first := d.use(node(0), harness.HTTP2); !first.passed() {
				r.Fatalf("a good client is answered %d %q, %v", first.Status, first.Error, first.err)
			}
			world.Backend.Forget()
		}
		request := d.request()
		var passed, otherwise, failed atomic.Int64
		barrier := make(chan struct{})
		go close(barrier)
		parallel(copies, copies, func(copy int) {
			<-barrier
			response, err := node(copy).Try(harness.HTTP2, request)
			switch {
			case err != nil:
				failed.Add(1)
			case response.Status == http.StatusOK:
				passed.Add(1)
			case response.Error != "invalid_dpop_proof":
				otherwise.Add(1)
			}
		})
		wrong, lost = wrong+otherwise.Load(), lost+failed.Load()
		switch {
		case passed.Load() == 0:
			none++
		case passed.Load() > 1:
			several++
		}
	}
	r.count("proofs", rounds)
	r.count("copies of each", copies)
	r.atMost("proofs accepted more than once", several, 0)
	r.atMost("proofs accepted never", none, 0)
	r.atMost("copies answered otherwise than as a replay", wrong, 0)
	r.atMost("copies without an answer", lost, 0)
}
