// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"strconv"
	"testing"
	"time"
)

// overflowing records n proofs one millisecond apart and checks, after each, that the set is within its bounds and that
// everything recorded after the watermark is still there.
func overflowing(t *testing.T, r *Replay, n int, key func(i int) [32]byte) {
	t.Helper()
	now := func(i int) time.Time { return at(time.Duration(i+1) * time.Millisecond) }
	for i := range n {
		wantAdd(t, r, key(i), strconv.Itoa(i), now(i), Added)
		if entries := r.Stats().Entries; entries > r.maxEntries {
			t.Fatalf("%d entries after %d proofs, want at most %d", entries, i+1, r.maxEntries)
		}
		watermark := r.Watermark()
		for j := i; j >= 0 && now(j).After(watermark); j-- {
			if !r.Seen(key(j), strconv.Itoa(j), now(i)) {
				t.Fatalf("after %d proofs number %d is forgotten, and newer than the watermark", i+1, j+1)
			}
		}
	}
	stats := r.Stats()
	if stats.Overflows == 0 || !stats.Watermark.After(start) {
		t.Errorf("stats are %+v, want overflows and a watermark after the start", stats)
	}
	// The oldest went and not all: the newest quarter at least is always there.
	if newest := now(n - 1 - r.maxEntries/generationsPerLifetime/2); !stats.Watermark.Before(newest) {
		t.Errorf("watermark is +%s, want before +%s", stats.Watermark.Sub(start), newest.Sub(start))
	}
}

func TestReplayOverflowByOneKeyRaisesTheWatermark(t *testing.T) {
	overflowing(t, newReplay(t, 400, 1000), 1500, func(int) [32]byte { return alice })
}

func TestReplayOverflowByManyKeysRaisesTheWatermark(t *testing.T) {
	overflowing(t, newReplay(t, 400, 1), 1500, keyOf)
}

func TestReplayOverflowTakesTheOldestGeneration(t *testing.T) {
	r := newReplay(t, 8, 8)
	for i, d := range []time.Duration{1, 2, span + 1, span + 2, 2*span + 1, 2*span + 2, 3*span + 1, 3*span + 2} {
		wantAdd(t, r, alice, strconv.Itoa(i), at(d), Added)
	}
	wantWatermark(t, r, start)
	now := at(3*span + 3)
	wantAdd(t, r, bob, "one too many", now, Added)
	wantWatermark(t, r, at(2)) // the latest of the forgotten ones
	for i := range 8 {
		if got, want := r.Seen(alice, strconv.Itoa(i), now), i >= 2; got != want {
			t.Errorf("proof %d seen: %t, want %t", i, got, want)
		}
	}
	if stats := r.Stats(); stats.Entries != 7 || stats.Overflows != 1 {
		t.Errorf("stats are %+v, want 7 entries and 1 overflow", stats)
	}
}

func TestReplayOverflowOfTheOnlyGeneration(t *testing.T) {
	r := newReplay(t, 1, 1)
	for i := range 10 {
		now := at(time.Duration(i+1) * time.Second)
		wantAdd(t, r, keyOf(i), "id", now, Added)
		wantAdd(t, r, keyOf(i), "id", now, Replayed)
		wantWatermark(t, r, now.Add(-time.Second))
	}
	if stats := r.Stats(); stats.Entries != 1 || stats.Overflows != 9 {
		t.Errorf("stats are %+v, want 1 entry and 9 overflows", stats)
	}
}

func TestReplayRefusedAddsForgetNothing(t *testing.T) {
	r := newReplay(t, 4, 4)
	for i := range 4 {
		wantAdd(t, r, alice, strconv.Itoa(i), at(1), Added)
	}
	for i := range 4 {
		wantAdd(t, r, alice, strconv.Itoa(i), at(2), Replayed)
		wantAdd(t, r, alice, "more"+strconv.Itoa(i), at(2), OverQuota)
	}
	wantWatermark(t, r, start)
	if stats := r.Stats(); stats.Entries != 4 || stats.Overflows != 0 {
		t.Errorf("stats are %+v, want 4 entries and no overflow", stats)
	}
}

func TestReplayMakesRoomByExpiryFirst(t *testing.T) {
	r := newReplay(t, 4, 4)
	for i := range 4 {
		wantAdd(t, r, alice, strconv.Itoa(i), at(1), Added)
	}
	wantAdd(t, r, bob, "id", at(lifetime+span), Added)
	wantWatermark(t, r, start)
	if stats := r.Stats(); stats.Entries != 1 || stats.Overflows != 0 {
		t.Errorf("stats are %+v, want 1 entry and no overflow", stats)
	}
}
