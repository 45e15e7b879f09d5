// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

// Of any number of refreshes with one challenge exactly one is granted.
func TestParallelRefreshesWithOneChallenge(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	jwt := b.proof()
	codes := make([]int, 50)
	var wg sync.WaitGroup
	for i := range codes {
		r := b.post("refresh", jwt)
		wg.Go(func() {
			w := httptest.NewRecorder()
			s.nodes[0].Serve(w, r)
			codes[i] = w.Code
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[http.StatusOK] != 1 || count[http.StatusForbidden] != len(codes)-1 {
		t.Fatalf("answers %v, want one 200 and else 403", count)
	}
}

func TestParallelRegistrationsOfOneSession(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	thief := b.thief()
	thief.offer = b.offer
	var granted [2]bool
	var wg sync.WaitGroup
	for i, r := range []*http.Request{b.post("register", b.registration()), thief.post("register", thief.registration())} {
		wg.Go(func() {
			w := httptest.NewRecorder()
			s.nodes[0].Serve(w, r)
			granted[i] = w.Code == http.StatusOK
		})
	}
	wg.Wait()
	if granted[0] == granted[1] {
		t.Fatalf("granted %v, want exactly one", granted)
	}
}

// A memory that cannot record is a dependency that is down: the session stays.
func TestFullMemoryIsUnavailable(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	for range 100 { // the quota of one session
		wantCode(t, b.refresh(), http.StatusOK)
	}
	w := b.refresh()
	wantCode(t, w, http.StatusServiceUnavailable)
	if w.Header().Get("Retry-After") == "" || s.served.Event != Unavailable {
		t.Fatalf("header %v, %+v", w.Header(), s.served)
	}
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
}

// forgetful overflows while it records.
type forgetful struct {
	Memory
	watermark time.Time
}

func (f *forgetful) Add(key [32]byte, id string, now time.Time) cache.Outcome {
	f.watermark = now.Add(time.Second)
	return f.Memory.Add(key, id, now)
}

func (f *forgetful) Trusts(issued time.Time, _ uint64) bool { return !issued.Before(f.watermark) }

func TestOverflowWhileSpending(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Memory = &forgetful{Memory: c.Memory} })
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	wantCode(t, b.register(), http.StatusForbidden)
}

// generations is a memory that nodes share: challenges are good in the scope
// they were issued for, whatever the time.
type generations struct {
	Memory
	scope uint64
}

func (g *generations) Trusts(_ time.Time, scope uint64) bool { return scope == g.scope }
func (g *generations) Scope() uint64                         { return g.scope }

// A shared memory that has just lost what it knew costs a session one round
// trip, and a browser that signs in right after that nothing.
func TestChallengesBelongToTheScopeOfTheMemory(t *testing.T) {
	shared := &generations{scope: 1}
	s := newSite(t, func(c *Config) {
		shared.Memory = c.Memory
		c.Memory = shared
	})
	b := s.enrolled()
	shared.scope++
	wantCode(t, b.refresh(), http.StatusForbidden)
	wantCode(t, b.refresh(), http.StatusOK)

	late := s.newBrowser()
	late.signIn("FedAuth=alice-2; Path=/")
	shared.scope++
	wantCode(t, late.register(), http.StatusForbidden)
	s.enrolled("FedAuth=alice-3; Path=/")
}

func TestMemoryMustOutlastEverythingItGuards(t *testing.T) {
	for _, config := range []Config{{}, {BoundLife: time.Hour}, {ChallengeLife: time.Hour}, {Grace: time.Hour}} {
		full := config
		full.setDefaults()
		if got := config.Lifetime(); got < full.BoundLife || got < full.ChallengeLife || got < full.Grace {
			t.Errorf("lifetime %v", got)
		}
	}
}

// A node that has just started serves at once: what it issues is not taken for
// older than its memory.
func TestSignInInTheMomentOfTheStart(t *testing.T) {
	s := &site{t: t, now: epoch.Add(1234567 * time.Nanosecond)}
	s.addNode()
	b := s.enrolled()
	wantCode(t, b.refresh(), http.StatusOK)
}
