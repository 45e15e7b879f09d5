// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// metricSeries sends what is random wherever something can be, from devices,
// users and applications that are new each time.
func metricSeries(r *run) {
	server := r.start(harness.Options{})
	world := server.World
	send := func(i int) {
		if i%10_000 == 9_999 {
			world.Backend.Forget()
		}
		text := rand.Text()
		changes := harness.Object{"sub": text, "oid": text, "upn": text + "@contoso.example", "client_id": text, "deviceid": text}
		token := world.Issuer.Mint(harness.With(harness.BoundTo(world.K1), changes))
		request := harness.Request{Path: "/" + text + "?" + text, Header: http.Header{"User-Agent": {text}, "X-" + text: {text}}}
		switch i % 4 {
		case 0:
			proof := harness.Proof{Key: world.K1, Token: token, Path: "/" + text}.Sign()
			request.Header["Authorization"], request.Header["Dpop"] = []string{"DPoP " + token}, []string{proof}
		case 1:
			request.Header["Authorization"] = []string{"Bearer " + token}
		case 2:
			request.Header["Authorization"] = []string{text + " " + text}
		}
		if _, err := server.Try(harness.HTTP2, request); err != nil {
			r.Errorf("request %d: %v", i, err)
		}
	}
	for i := range 8 {
		send(i)
	}
	r.measure(server) // the scrape is counted too
	before := r.measure(server).series
	requests := r.size(2000, 1_000_000)
	parallel(4, requests, send)
	r.count("requests", requests)
	r.count("metric series", before)
	r.atMost("metric series more than before", int64(r.measure(server).series-before), 0)
}

// soak runs the mixed load for long, and looks whether anything grows.
func soak(r *run) {
	server := r.start(harness.Options{})
	load := &traffic{server: server}
	took, slices := 6*time.Second, 3
	if r.full {
		took, slices = 2*time.Hour, 24
	}
	var all []figures
	during(func() {
		for range slices {
			time.Sleep(took / time.Duration(slices))
			server.World.Backend.Forget()
			all = append(all, r.measure(server))
		}
	}, load.loads(3)...)
	r.count("time", took)
	r.report(load)
	first, last := all[len(all)/3], all[len(all)-1] // after caches and sets have filled
	r.count("memory at the end, in MiB", last.resident>>20)
	r.atMost("memory gained, in MiB", (last.resident-first.resident)>>20, 32)
	r.atMost("goroutines of the module gained", int64(last.goroutines-first.goroutines), 12) // requests under way
	r.atMost("descriptors gained", int64(last.descriptors-first.descriptors), 4)
	r.atMost("metric series gained", int64(last.series-first.series), 0)
}
