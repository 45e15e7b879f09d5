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

func (f *forgetful) Watermark() time.Time { return f.watermark }

func TestOverflowWhileSpending(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Memory = &forgetful{Memory: c.Memory} })
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	wantCode(t, b.register(), http.StatusForbidden)
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
