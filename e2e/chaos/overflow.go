// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// overflowByOne lets one device send as fast as it can. Its quota stops it,
// and others do not notice.
func overflowByOne(r *run) {
	proofs := r.size(2000, 1_000_000)
	server := r.start(harness.Options{App: "replay memory {\nmax_entries 5000\nmax_per_key 1000\n}"})
	flood, others := newDevice(server.World), newDevice(server.World)
	others.use(server, harness.HTTP2)
	var limited, accepted, failed, asked atomic.Int64
	parallel(4, proofs, func(i int) {
		if i%10_000 == 9_999 {
			server.World.Backend.Forget()
		}
		if i%50 == 0 {
			used := others.use(server, harness.HTTP2)
			if !used.passed() {
				failed.Add(1)
			}
			asked.Add(int64(used.retries))
		}
		switch used := flood.use(server, harness.HTTP2); {
		case used.passed():
			accepted.Add(1)
		case used.Status == http.StatusTooManyRequests:
			limited.Add(1)
		}
	})
	r.count("proofs of one device", proofs)
	r.count("of these answered 429", limited.Load())
	if !r.full {
		r.atMost("of these accepted", accepted.Load(), 1000)
	}
	r.atMost("requests of another device that failed", failed.Load(), 0)
	r.count("nonces that it was asked for", asked.Load())
	if limited.Load() == 0 {
		r.Errorf("the quota stopped nothing")
	}
}

// overflowByMany fills the set with the proofs of many devices, again and
// again. Who is asked for a nonce passes with it; replays pass never.
func overflowByMany(r *run) {
	const entries = 2000
	proofs := r.size(5000, 1_000_000)
	server := r.start(harness.Options{App: fmt.Sprintf("replay memory {\nmax_entries %d\nmax_per_key 1000\n}", entries)})
	world := server.World
	other := newDevice(world)
	before := r.measure(server)
	var thief captured
	var failed, slow, accepted, wrong, otherFailed atomic.Int64
	crowd := make([]*device, 100)
	for i := range crowd {
		crowd[i] = newDevice(world)
	}
	parallel(4, proofs, func(i int) {
		if i%10_000 == 9_999 {
			world.Backend.Forget()
		}
		if i%200 == 199 {
			if used := other.use(server, harness.HTTP2); !used.passed() {
				otherFailed.Add(1)
			}
			passed, mistaken := replay(server, thief.last(20))
			accepted.Add(passed)
			wrong.Add(mistaken)
		}
		used := crowd[i%len(crowd)].use(server, harness.HTTP2)
		switch {
		case !used.passed():
			failed.Add(1)
		case i%20 == 0:
			thief.add(used.sent)
		}
		if used.retries > 1 {
			slow.Add(1)
		}
	})
	after := r.measure(server)
	r.count("proofs", proofs)
	r.count("room in the set", entries)
	r.atMost("requests of the crowd that failed", failed.Load(), 0)
	r.atMost("requests of another device that failed", otherFailed.Load(), 0)
	r.count("requests that needed more than one nonce", slow.Load())
	r.atMost("replays accepted", accepted.Load(), 0)
	r.atMost("replays answered wrongly", wrong.Load(), 0)
	r.atMost("memory gained, in MiB", (after.resident-before.resident)>>20, 64)
}
