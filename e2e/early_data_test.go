// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestEarlyDataIsRefused sends a request in the first flight of a resumed
// connection, before the handshake is complete, where anybody who recorded it
// could send it again (RFC 8470, section 5.2).
func TestEarlyDataIsRefused(t *testing.T) {
	world := harness.NewWorld(t)
	for name, test := range map[string]struct {
		options harness.Options
		status  int
		arrives int
	}{
		"policy on":   {harness.Options{}, http.StatusTooEarly, 0},
		"report-only": {harness.Options{Policies: harness.PolicyReportOnly}, http.StatusOK, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := world.Start(t, test.options)
			sessions := newSessions()
			config := &tls.Config{ClientSessionCache: sessions}
			first, early := server.FirstFlight(t, config, world.Bound(http.MethodGet, "/early", server.Nonce(t)))
			if early || first.Status != http.StatusOK {
				t.Fatalf("without a session to resume: status %d, early data %v", first.Status, early)
			}
			sessions.wait(t)
			second, early := server.FirstFlight(t, config, world.Bound(http.MethodGet, "/early", server.Nonce(t)))
			if !early {
				t.Fatal("the server took no early data")
			}
			if arrived := len(second.Arrivals()); (second.Status != test.status || arrived != test.arrives) &&
				(second.Status != http.StatusOK || arrived != 1) { // the handshake, which no replay can complete, was faster than the handler
				t.Errorf("status %d, %d arrivals; want %d, %d", second.Status, arrived, test.status, test.arrives)
			}
		})
	}
}

// sessions tells when the server has sent a session ticket.
type sessions struct {
	tls.ClientSessionCache
	stored chan struct{}
}

func newSessions() sessions {
	return sessions{tls.NewLRUClientSessionCache(10), make(chan struct{}, 100)}
}

func (s sessions) Put(key string, state *tls.ClientSessionState) {
	s.ClientSessionCache.Put(key, state)
	if state != nil {
		s.stored <- struct{}{}
	}
}

// wait returns once a ticket has come.
func (s sessions) wait(t testing.TB) {
	t.Helper()
	select {
	case <-s.stored:
	case <-time.After(20 * time.Second):
		t.Fatal("the server sent no session ticket")
	}
}
