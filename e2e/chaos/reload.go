// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// traffic is the mixed load: good clients, what they sent once more, tokens
// without proof, nothing at all, and a path that needs nothing.
type traffic struct {
	server *harness.Server
	thief  captured
	size   atomic.Int64 // requests sent

	dropped, wrong, replays atomic.Int64
}

// round sends one request of each kind.
func (l *traffic) round(d *device) {
	world := l.server.World
	good := d.use(l.server, harness.HTTP2)
	l.judge(good.Response, good.err, http.StatusOK)
	if good.passed() {
		l.thief.add(good.sent)
		again, err := l.server.Try(harness.HTTP2, good.sent)
		l.judge(again, err, http.StatusUnauthorized)
		if err == nil && again.Status == http.StatusOK {
			l.replays.Add(1)
		}
	}
	for _, other := range []struct {
		harness.Request
		status int
	}{
		{harness.Request{Path: path, Header: http.Header{"Authorization": {"Bearer " + world.AT1}}}, http.StatusUnauthorized},
		{harness.Request{Path: path, Header: http.Header{"Authorization": {"Bearer " + world.ATb}}}, http.StatusUnauthorized},
		{harness.Request{Path: path}, http.StatusUnauthorized},
		{harness.Request{Path: "/healthz"}, http.StatusOK},
	} {
		response, err := l.server.Try(harness.HTTP2, other.Request)
		l.judge(response, err, other.status)
	}
}

func (l *traffic) judge(response harness.Response, err error, want int) {
	l.size.Add(1)
	switch {
	case err != nil:
		l.dropped.Add(1)
	case response.Status != want, want != http.StatusOK && len(response.Arrivals()) > 0:
		l.wrong.Add(1)
	}
}

// report says what came of it.
func (r *run) report(l *traffic) {
	r.count("requests", l.size.Load())
	r.atMost("requests dropped", l.dropped.Load(), 0)
	r.atMost("requests answered wrongly", l.wrong.Load(), 0)
	r.atMost("replays accepted", l.replays.Load(), 0)
}

// loads are rounds for several clients, each with devices that are replaced
// before their tokens expire.
func (l *traffic) loads(clients int) []func() {
	var all []func()
	for range clients {
		rounds, d := 0, newDevice(l.server.World)
		all = append(all, func() {
			if rounds++; rounds%500 == 0 {
				d = newDevice(l.server.World)
			}
			l.round(d)
		})
	}
	return all
}

// reloadUnderLoad reloads, and now and then tries to reload something broken.
func reloadUnderLoad(r *run) {
	server := r.start(harness.Options{})
	load := &traffic{server: server}
	load.round(newDevice(server.World))
	before := r.measure(server)
	reloads := r.size(15, 1000)
	during(func() {
		for i := range reloads {
			if err := server.Reload(harness.Options{Site: "log_skip", Handler: fmt.Sprintf("realm number-%d", i)}); err != nil {
				r.Errorf("reload %d: %v", i, err)
			}
			if i%3 == 0 {
				if server.Reload(brokenConfigurations[i/3%len(brokenConfigurations)].options) == nil {
					r.Errorf("a broken configuration came into force")
				}
			}
			for least := load.size.Load() + 50; load.size.Load() < least; {
				pause()
			}
			if i%50 == 49 {
				replayed(r, load)
			}
		}
	}, load.loads(3)...)
	r.count("reloads", reloads)
	r.report(load)
	replayed(r, load)
	harness.Eventually(r, "former configurations to let go of their goroutines", func() bool {
		return r.measure(server).goroutines <= before.goroutines
	})
	r.atMost("goroutines more than before", int64(max(0, r.measure(server).goroutines-before.goroutines)), 0)
	r.atMost("metric series more than before", int64(r.measure(server).series-before.series), 0)
}

// replayed sends the last of what passed once more.
func replayed(r *run, l *traffic) {
	stolen := l.thief.last(300)
	passed, wrong := replay(l.server, stolen)
	if passed+wrong > 0 {
		r.Errorf("of %d replays %d passed and %d were answered wrongly", len(stolen), passed, wrong)
	}
}
