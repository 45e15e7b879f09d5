// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// killAndRestart ends the server without warning, and replays everything that
// passed before to the one that follows.
func killAndRestart(r *run) {
	server := r.start(harness.Options{})
	restarts := r.size(5, 500)
	devices := []*device{newDevice(server.World), newDevice(server.World), newDevice(server.World)}
	var thief captured
	var accepted, wrong, failed, slow int64
	replayed := 0
	for range restarts {
		for _, d := range devices {
			for range 20 {
				used := d.use(server, harness.HTTP2)
				if !used.passed() {
					failed++
					continue
				}
				if used.retries > 1 {
					slow++
				}
				thief.add(used.sent)
			}
		}
		server.Kill()
		server.Run(r)
		stolen := thief.last(600)
		p, w := replay(server, stolen)
		accepted, wrong, replayed = accepted+p, wrong+w, replayed+len(stolen)
		server.World.Backend.Forget()
	}
	r.count("restarts", restarts)
	r.count("replays", replayed)
	r.atMost("replays accepted", accepted, 0)
	r.atMost("replays answered wrongly", wrong, 0)
	r.atMost("good requests refused", failed, 0)
	r.atMost("good requests that took more than one retry", slow, 0)
}
