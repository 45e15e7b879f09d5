// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestMetricSeriesDoNotGrowWithRequests: labels come from the configuration
// and from closed sets, so what strangers send makes no series.
func TestMetricSeriesDoNotGrowWithRequests(t *testing.T) {
	const requests, seed = 2000, 3
	t.Logf("seed %d", seed)
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Site: "log_skip"})
	generator := generator{Rand: rand.New(rand.NewPCG(seed, 0)), world: world, nonce: server.Nonce(t)}
	var before map[string]string
	for _, number := range []int{300, requests} { // the first ones bring about each outcome once
		flood(server, number, func(int) harness.Request {
			request := generator.request()
			if generator.one(2) {
				issuer, key := harness.Object{"iss": "https://" + harness.NewID() + ".example"}, harness.Object{"kid": harness.NewID()}
				request.Header["Authorization"] = []string{"DPoP " + world.K3.Sign(harness.With(world.Issuer.Header(), key), harness.With(world.Issuer.Claims(), issuer))}
			}
			if generator.one(10) {
				request.Method = "M" + harness.NewID()
			}
			return request
		})
		if before == nil {
			series(t, server) // so that the scrape itself is counted
			before = series(t, server)
		}
	}
	after := series(t, server)
	for name := range after {
		if _, known := before[name]; !known {
			t.Errorf("a new series: %s", name)
		}
	}
	for _, name := range []string{
		`caddy_token_protection_decisions_total{code="0",resource="exchange",result="allow",scheme="dpop"}`,
		`caddy_token_protection_decisions_total{code="1002",resource="exchange",result="block",scheme="none"}`,
		`caddy_token_protection_verification_seconds_count{resource="exchange"}`,
		`caddy_token_protection_replay_entries{scheme="dpop"}`, `caddy_token_protection_replay_watermark_timestamp_seconds{scheme="pop"}`,
		`caddy_token_protection_proof_age_seconds_count{scheme="dpop"}`,
		`caddy_token_protection_cache_requests_total{cache="tokens",result="hit"}`,
		`caddy_token_protection_key_set_age_seconds{issuer="` + world.Issuer.URL + `"}`,
	} {
		if value := after[name]; value == "" || value == "0" {
			t.Errorf("%s is %q; there are %s", name, value, strings.Join(slices.Sorted(maps.Keys(after)), "\n"))
		}
	}
}

// flood sends the requests that next makes, several at a time.
func flood(server *harness.Server, number int, next func(i int) harness.Request) {
	requests := make(chan harness.Request, 100)
	go func() {
		defer close(requests)
		for i := range number {
			requests <- next(i)
		}
	}()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for request := range requests {
				_, _ = server.Try(harness.HTTP1, request) // some cannot be sent
			}
		})
	}
	group.Wait()
}

// TestNothingSecretIsInMetricsOrAdminAPI, nor in the log at level DEBUG, which
// the end of all tests looks through.
func TestNothingSecretIsInMetricsOrAdminAPI(t *testing.T) {
	const seed = 11
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Global: "debug", Site: "log_skip"})
	generator := generator{Rand: rand.New(rand.NewPCG(seed, 0)), world: world, nonce: server.Nonce(t)}
	flood(server, 200, func(int) harness.Request { return generator.request() })
	for _, path := range []string{"/metrics", "/config/", "/token_protection/status", "/token_protection/ready", "/reverse_proxy/upstreams", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/vars"} {
		response, err := http.Get(server.AdminURL(path))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != 200 || len(text) == 0 {
			t.Fatalf("%s: status %d, %d bytes: %v", path, response.StatusCode, len(text), err)
		}
		for _, leak := range harness.LeaksIn(text) {
			t.Errorf("%s: %s", path, leak)
		}
		for _, name := range []string{"alice@contoso.example", "alice-id"} {
			if path == "/metrics" && strings.Contains(string(text), name) {
				t.Errorf("%s names %s", path, name)
			}
		}
	}
}
