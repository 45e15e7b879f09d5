// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// answerWithin is what a request may take on a machine that does nothing else.
// The harness shares this one with two nodes, Redis and its own clients.
const answerWithin = 300 * time.Millisecond

// badNetwork lets the network to Redis fail in one way after another. Answers
// are timed one at a time, so that it is the server that is measured.
func badNetwork(r *run) {
	world, redis := harness.NewWorld(r), harness.StartRedis(r)
	network := newProxy(r, redis.Address)
	options := harness.Node(network.address)
	options.Site = "log_skip"
	server := world.Start(r, options)
	d := newDevice(world)
	harness.Eventually(r, "the node to serve", func() bool { return d.use(server, harness.HTTP2).passed() })

	var opened, otherwise, late, served atomic.Int64
	var slowest longest
	ask := func() int {
		start := time.Now()
		response, err := server.Try(harness.HTTP2, d.request())
		took := time.Since(start)
		slowest.add(took)
		if took > answerWithin {
			late.Add(1)
		}
		switch {
		case err != nil:
			otherwise.Add(1)
			return 0
		case response.Error == "use_dpop_nonce":
			nonce := response.Header.Get("DPoP-Nonce")
			d.nonce.Store(&nonce)
		case response.Status == http.StatusOK, response.Status == http.StatusServiceUnavailable:
		default:
			otherwise.Add(1)
		}
		return response.Status
	}
	faults := r.size(6, 200)
	for i := range faults {
		if i%20 == 19 {
			d = newDevice(world)
		}
		if used := d.use(server, harness.HTTP2); used.passed() {
			served.Add(1)
			network.become([]fault{slow, silent, refusing}[i%3])
			for range 5 {
				if passed, _ := replay(server, []harness.Request{used.sent}); passed > 0 {
					opened.Add(1)
				}
				if ask() == http.StatusOK {
					opened.Add(1) // nobody can have recorded it
				}
			}
		}
		network.become(healthy)
		harness.Eventually(r, "the node to serve again", func() bool { return ask() == http.StatusOK })
		world.Backend.Forget()
	}
	r.count("faults", faults)
	r.count("faults in the middle of service", served.Load())
	r.atMost("requests that passed although nobody could be asked", opened.Load(), 0)
	r.atMost("answers other than 200, 503 or a nonce", otherwise.Load(), 0)
	r.count("slowest answer, in ms", time.Duration(slowest.Load()).Milliseconds())
	r.atMost("answers after more than 300 ms", late.Load(), 0)
}
