// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const copies = 200

// race starts many goroutines at once and counts their outcomes.
func race(add func(i int) Outcome) map[Outcome]int {
	var (
		counts [OverQuota + 1]atomic.Int64
		ready  = make(chan struct{})
		group  sync.WaitGroup
	)
	for i := range copies {
		group.Go(func() {
			<-ready
			counts[add(i)].Add(1)
		})
	}
	close(ready)
	group.Wait()
	outcomes := map[Outcome]int{}
	for outcome := range counts {
		if n := counts[outcome].Load(); n > 0 {
			outcomes[Outcome(outcome)] = int(n)
		}
	}
	return outcomes
}

func TestReplayOfRacingCopiesExactlyOneIsAdded(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, r *Replay)
		now     time.Time
	}{
		"in an empty set":                  {func(*testing.T, *Replay) {}, start},
		"at the beginning of a generation": {func(t *testing.T, r *Replay) { wantAdd(t, r, bob, "old", start, Added) }, at(span)},
		"after all others have expired":    {func(t *testing.T, r *Replay) { wantAdd(t, r, bob, "old", start, Added) }, at(9 * lifetime)},
		"in a full set": {func(t *testing.T, r *Replay) {
			for i := range r.maxEntries {
				wantAdd(t, r, keyOf(i), "old", start, Added)
			}
		}, at(1)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReplay(t, 40, 10)
			test.prepare(t, r)
			got := race(func(int) Outcome { return r.Add(alice, "id", test.now) })
			if got[Added] != 1 || got[Replayed] != copies-1 {
				t.Errorf("outcomes are %v, want 1 added and %d replayed", got, copies-1)
			}
			if n := r.Stats().Replayed; n != copies-1 {
				t.Errorf("%d counted as replayed, want %d", n, copies-1)
			}
		})
	}
}

func TestReplayQuotaHoldsInARace(t *testing.T) {
	r := newReplay(t, 1000, 10)
	got := race(func(i int) Outcome { return r.Add(alice, strconv.Itoa(i), start) })
	if got[Added] != 10 || got[OverQuota] != copies-10 {
		t.Errorf("outcomes are %v, want 10 added and %d over quota", got, copies-10)
	}
}

func TestReplayBoundHoldsInARace(t *testing.T) {
	const size = 50
	r := newReplay(t, size, 1000)
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		last := start
		for {
			select {
			case <-done:
				return
			default:
			}
			watermark := r.Stats().Watermark
			if watermark.Before(last) {
				t.Errorf("watermark went back from +%s to +%s", last.Sub(start), watermark.Sub(start))
				return
			}
			last = watermark
		}
	})
	race(func(i int) Outcome {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		outcome := Added
		for n := range 200 {
			now := at(time.Duration(n)*lifetime/50 + time.Duration(random.Int64N(int64(span))))
			outcome = r.Add(keyOf(random.IntN(20)), strconv.Itoa(random.IntN(100)), now)
			r.Seen(keyOf(random.IntN(20)), strconv.Itoa(random.IntN(100)), now)
		}
		return outcome
	})
	close(done)
	watcher.Wait()
	checkInside(t, r)
}

// checkInside checks what must be true of a set that nobody uses at the moment.
func checkInside(t *testing.T, r *Replay) {
	t.Helper()
	counted := 0
	for _, g := range r.live {
		for i := range g.shards {
			counted += g.shards[i].entries
		}
	}
	switch entries := r.Stats().Entries; {
	case entries != counted:
		t.Fatalf("stats say %d entries, there are %d", entries, counted)
	case entries > r.maxEntries:
		t.Fatalf("%d entries, want at most %d", entries, r.maxEntries)
	case len(r.live) > maxLive:
		t.Fatalf("%d generations, want at most %d", len(r.live), maxLive)
	}
}
