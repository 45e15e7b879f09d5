// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// madeUpKeyIDs sends tokens that name keys which nobody has. The issuer must
// not be asked for each, nor each be remembered.
func madeUpKeyIDs(r *run) {
	server := r.start(harness.Options{})
	world := server.World
	d := newDevice(world)
	d.use(server, harness.HTTP2)
	send := func() int {
		header := harness.With(world.Issuer.Header(), harness.Object{"kid": rand.Text()})
		token := world.Issuer.EC.Sign(header, world.Issuer.Claims())
		response, err := server.Try(harness.HTTP2, harness.Request{Path: path, Header: http.Header{"Authorization": {"DPoP " + token}}})
		if err != nil {
			return 0
		}
		return response.Status
	}
	for range 200 { // what connections and buffers take is not of interest
		send()
	}
	before, fetches, began := r.measure(server), world.Issuer.Fetches(), time.Now()
	tokens := r.size(2000, 1_000_000)
	var otherwise atomic.Int64
	parallel(4, tokens, func(int) {
		if send() != http.StatusUnauthorized {
			otherwise.Add(1)
		}
	})
	after, took := r.measure(server), time.Since(began)
	r.count("tokens with made-up key ids", tokens)
	r.atMost("answered otherwise than with 401", otherwise.Load(), 0)
	r.atMost("fetches of the key set", int64(world.Issuer.Fetches()-fetches), 1+int64(took/(30*time.Second)))
	r.atMost("memory gained, in MiB", (after.resident-before.resident)>>20, 32)
	if !newDevice(world).use(server, harness.HTTP2).passed() {
		r.Errorf("a good client is refused afterwards")
	}
}

// keySetOutage takes the issuer's key set away, in one way after another,
// while clients with tokens of known keys go on. The full form lasts as long
// as a key set may be served stale. What needs another clock than the
// machine's, an hour with a rotation in it, is in the tests of
// enforcement/token.
func keySetOutage(r *run) {
	server := r.start(harness.Options{})
	load := &traffic{server: server}
	load.round(newDevice(server.World))
	took := 3 * time.Second
	if r.full {
		took = 14 * time.Minute
	}
	answers := []func(http.ResponseWriter, []byte){
		harness.Down, harness.Garbage,
		func(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusOK) },
		func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusFound)
		},
		func(w http.ResponseWriter, keySet []byte) { _, _ = w.Write(keySet[:len(keySet)/2]) },
	}
	during(func() {
		for _, answer := range answers {
			server.World.Issuer.Answer(answer)
			for end := time.Now().Add(took / time.Duration(len(answers))); time.Now().Before(end); {
				// A made-up key id asks for the key set before its time.
				token := server.World.Issuer.EC.Sign(harness.With(server.World.Issuer.Header(), harness.Object{"kid": rand.Text()}), server.World.Issuer.Claims())
				_, _ = server.Try(harness.HTTP2, harness.Request{Path: path, Header: http.Header{"Authorization": {"DPoP " + token}}})
				time.Sleep(50 * time.Millisecond)
			}
			server.World.Backend.Forget()
		}
		server.World.Issuer.Answer(nil)
	}, load.loads(2)...)
	r.count("kinds of outage", len(answers))
	r.count("time without a key set", took)
	r.count("attempts to fetch it", server.World.Issuer.Fetches())
	r.report(load)
}
