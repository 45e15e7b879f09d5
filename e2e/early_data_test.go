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
			// A handshake that is over before the handler runs makes the data
			// early no more: no replay can complete one. Some answer is in time.
			for range 20 {
				second, early := server.FirstFlight(t, config, world.Bound(http.MethodGet, "/early", server.Nonce(t)))
				if !early {
					t.Fatal("the server took no early data")
				}
				arrived := len(second.Arrivals())
				switch {
				case second.Status == test.status && arrived == test.arrives:
					return
				case second.Status != http.StatusOK || arrived != 1:
					t.Fatalf("status %d, %d arrivals; want %d, %d", second.Status, arrived, test.status, test.arrives)
				}
				sessions.wait(t)
			}
			t.Errorf("never answered %d", test.status)
		})
	}
}

// sessions tells when a server has sent a session ticket, and presents the
// last one to every server.
type sessions struct {
	tls.ClientSessionCache
	stored chan struct{}
}

func newSessions() sessions {
	return sessions{tls.NewLRUClientSessionCache(1), make(chan struct{}, 100)}
}

func (s sessions) Get(string) (*tls.ClientSessionState, bool) { return s.ClientSessionCache.Get("") }

func (s sessions) Put(_ string, state *tls.ClientSessionState) {
	s.ClientSessionCache.Put("", state)
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
