// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// broken are configurations that must not come into force; some are found out
// when they are adapted, some when they are provisioned, some when they start.
var broken = []harness.Options{
	{App: "nonsense"},
	{App: "replay memory {\n max_entries none\n}"},
	{Proof: "max_age never"},
	{Proof: "nonce_secret short"},
	{Handler: "forward sideways"},
	{Global: "servers {"},
	{Issuers: "issuer http://login.example"},
	{Policies: strings.Replace(harness.PolicyOn, "resources exchange", "resources elsewhere", 1)},
	{Policies: strings.Replace(harness.PolicyOn, "state on", "state maybe", 1)},
	{Site: "tls /nonexistent.crt /nonexistent.key"},
}

// TestReloadsUnderLoadLoseAndForgetNothing: while configurations come into
// force and broken ones are rejected, every request gets its right answer.
func TestReloadsUnderLoadLoseAndForgetNothing(t *testing.T) {
	const reloads, clients, least = 30, 6, 600
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Site: "log_skip"})
	load := &load{server: server, nonce: server.Nonce(t)}
	load.round(t, 0)
	before, goroutines := ours(series(t, server)), goroutines(t, server)

	stop := make(chan struct{})
	var group sync.WaitGroup
	for number := range clients {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					load.round(t, number)
				}
			}
		})
	}
	rejected := 0
	for i := range reloads {
		if err := server.Reload(harness.Options{Site: "log_skip", Handler: fmt.Sprintf("realm number-%d", i)}); err != nil {
			t.Errorf("reload %d: %v", i, err)
		}
		if i%3 == 0 {
			if err := server.Reload(broken[rejected]); err == nil {
				t.Errorf("broken configuration %d came into force", rejected)
			}
			rejected++
		}
		load.wait(load.requests.Load() + least/reloads)
	}
	close(stop)
	group.Wait()
	t.Logf("%d requests, %d reloads, %d rejected", load.requests.Load(), reloads, rejected)
	for _, request := range load.spent {
		if got := server.Do(t, harness.HTTP2, request); got.Status != 401 || got.Error != "invalid_dpop_proof" {
			t.Errorf("a proof from before a reload got %d %q", got.Status, got.Error)
		}
	}
	if after := ours(series(t, server)); len(after) != len(before) {
		t.Errorf("%d metric series, %d before", len(after), len(before))
	}
	settle(t, server, goroutines)
}

// load is what clients and thieves send.
type load struct {
	server   *harness.Server
	nonce    string
	requests atomic.Int64
	stuck    atomic.Bool

	mu    sync.Mutex
	spent []harness.Request
}

// wait waits until the clients have sent so many requests.
func (l *load) wait(requests int64) {
	for l.requests.Load() < requests && !l.stuck.Load() {
		runtime.Gosched()
	}
}

// round sends one request of each kind and checks the answers.
func (l *load) round(t *testing.T, client int) {
	protocol := harness.HTTP2
	if client == 0 {
		protocol = harness.HTTP1
	}
	world := l.server.World
	good := world.Bound("GET", "/api/x", l.nonce)
	for i, request := range []struct {
		harness.Request
		status int
		error  string
	}{
		{good, 200, ""},
		{good, 401, "invalid_dpop_proof"},
		{harness.Request{Path: "/api/x", Header: bearer(world.ATb)}, 401, "invalid_token"},
		{harness.Request{Path: "/api/x", Header: bearer(world.AT1)}, 401, "invalid_token"},
		{harness.Request{Path: "/api/x"}, 401, ""},
		{harness.Request{Path: "/healthz"}, 200, ""},
	} {
		got, err := l.server.Try(protocol, request.Request)
		l.requests.Add(1)
		if err != nil && protocol == harness.HTTP1 {
			// Caddy itself, with or without this module, drops connections of
			// HTTP/1.1 that wait to be accepted where one listener follows
			// another. A new connection needs a new proof, so it is a new round.
			return
		}
		if err != nil {
			l.stuck.Store(true)
			t.Errorf("client %d lost request %d: %v", client, i, err)
			return
		}
		if got.Status != request.status || got.Error != request.error || (len(got.Arrivals()) == 1) != (request.status == 200) {
			t.Errorf("client %d: status %d %q, %d arrivals; want %d %q", client, got.Status, got.Error, len(got.Arrivals()), request.status, request.error)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spent) < 100 {
		l.spent = append(l.spent, good)
	}
}

// settle waits until the server has let go of former configurations: it has
// no more goroutines of this module than before.
func settle(t *testing.T, server *harness.Server, before int) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("the module's goroutines to be %d again", before), func() bool {
		return goroutines(t, server) <= before
	})
}

// goroutines counts the server's goroutines of this module.
func goroutines(t *testing.T, server *harness.Server) int {
	t.Helper()
	count := goroutinesOf(t, server, "tokenprotection/")
	if count == 0 {
		t.Fatal("the module has no goroutine, not even to refresh its key set")
	}
	return count
}

// goroutinesOf counts the server's goroutines that run code with such a name,
// or were started by it.
func goroutinesOf(t *testing.T, server *harness.Server, name string) int {
	t.Helper()
	response, err := http.Get(server.AdminURL("/debug/pprof/goroutine?debug=2"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stacks, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, name) {
			count++
		}
	}
	return count
}

// ours are the series of this module.
func ours(metrics map[string]string) []string {
	var names []string
	for name := range metrics {
		if strings.HasPrefix(name, "caddy_token_protection_") {
			names = append(names, name)
		}
	}
	return names
}
