// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestFloodOfRefusalsIsNoFloodOfLines: the first refusal of a kind is logged
// at once, the rest as counts, and when the server stops they add up.
func TestFloodOfRefusalsIsNoFloodOfLines(t *testing.T) {
	const requests = 20_000
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{LogInterval: "5m", Site: "log_skip"})
	kinds := []func(i int) http.Header{
		func(int) http.Header { return nil },
		func(i int) http.Header { return bearer("a.b." + strconv.Itoa(i)) },
		func(int) http.Header { return bearer(world.ATb) },
		func(int) http.Header { return http.Header{"Authorization": {"Bearer a", "Bearer b"}} },
		func(i int) http.Header { return http.Header{"User-Agent": {"agent " + strconv.Itoa(i)}} },
	}
	flood(server, requests, func(i int) harness.Request {
		return harness.Request{Path: "/x?" + strconv.Itoa(i), Header: kinds[i%len(kinds)](i)}
	})
	atOnce := server.Records(t)
	if len(atOnce) < 4 || len(atOnce) > 10 {
		t.Errorf("%d records before the interval has passed", len(atOnce))
	}
	for _, record := range atOnce {
		if record.RequestCount != 1 || record.Decision != "block" {
			t.Errorf("decision %s, request count %d", record.Decision, record.RequestCount)
		}
	}
	server.Stop()
	total, lines := 0, 0
	for _, record := range server.Records(t) {
		total += record.RequestCount
		lines++
	}
	if total != requests || lines > 20 {
		t.Errorf("%d requests in %d records, want %d", total, lines, requests)
	}
	if output := len(server.Output()); output > 100<<10 {
		t.Errorf("%d bytes of output", output)
	}
}
