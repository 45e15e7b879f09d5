// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"testing"
	"time"
)

func TestReplayClockSetBackResurrectsNothing(t *testing.T) {
	r := newReplay(t, 100, 100)
	wantAdd(t, r, alice, "before", at(2*lifetime), Added)
	for _, back := range []time.Duration{2*lifetime - 1, lifetime, span, 0, -lifetime, -100 * lifetime} {
		wantAdd(t, r, alice, "before", at(back), Replayed)
	}
	wantWatermark(t, r, start)
}

// What is recorded while the clock is behind lasts until the clock has passed the generation it went into.
func TestReplayClockSetBackDropsNothingEarly(t *testing.T) {
	r := newReplay(t, 100, 100)
	wantAdd(t, r, alice, "ahead", at(2*lifetime), Added)
	wantAdd(t, r, alice, "behind", at(lifetime), Added)
	for now := lifetime; now < 3*lifetime; now += span / 2 {
		wantAdd(t, r, alice, "behind", at(now), Replayed)
	}
	wantAdd(t, r, alice, "behind", at(3*lifetime+span), Added)
	wantWatermark(t, r, start)
}

// The clock jumps ahead, proofs expire, the clock comes back: what expired can be replayed after all.
func TestReplayClockSetBackAfterExpiryRaisesTheWatermark(t *testing.T) {
	r := newReplay(t, 100, 100)
	wantAdd(t, r, alice, "spent", at(time.Second), Added)
	wantAdd(t, r, bob, "ahead", at(10*lifetime), Added)
	wantWatermark(t, r, start)

	if r.Seen(alice, "spent", at(2*time.Second)) {
		t.Fatal("the proof is still remembered, the test shows nothing")
	}
	wantWatermark(t, r, at(time.Second))
}

// As before, but nobody looks in between: Add itself must notice.
func TestReplayAddRaisesTheWatermarkBeforeItForgives(t *testing.T) {
	r := newReplay(t, 100, 100)
	wantAdd(t, r, alice, "spent", at(time.Second), Added)
	wantAdd(t, r, bob, "ahead", at(10*lifetime), Added)
	wantAdd(t, r, alice, "spent", at(2*time.Second), Added)
	wantWatermark(t, r, at(time.Second))
}

// A wall clock that is corrected by less than the lifetime costs nobody a nonce: the watermark stays that far behind.
func TestReplaySmallCorrectionsAskNothingOfFreshProofs(t *testing.T) {
	r := newReplay(t, 1000, 1000)
	for i := range 200 {
		now := at(time.Duration(i) * time.Second)
		wantAdd(t, r, alice, now.String(), now, Added)
		corrected := now.Add(-2 * time.Second)
		wantAdd(t, r, bob, corrected.String(), corrected, Added)
		if latest := corrected.Add(-lifetime + 3*time.Second); r.Watermark().After(latest) && r.Watermark().After(start) {
			t.Fatalf("at +%s the watermark is +%s, want at most +%s", corrected.Sub(start), r.Watermark().Sub(start), latest.Sub(start))
		}
	}
}

// The monotonic reading governs the generations, the wall clock the watermark, because proofs are dated by it.
func TestReplayTakesTimesWithMonotonicReading(t *testing.T) {
	now := time.Now()
	r, err := NewReplay(ReplayConfig{MaxEntries: 4, MaxPerKey: 10, Lifetime: lifetime, Start: now})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Watermark().Equal(now) {
		t.Errorf("watermark is %s, want %s", r.Watermark(), now)
	}
	wantAdd(t, r, alice, "id", now, Added)
	wantAdd(t, r, alice, "id", now.Add(lifetime-1), Replayed)
	wantAdd(t, r, alice, "id", now.Add(lifetime-1).Round(0), Replayed)
	wantAdd(t, r, alice, "id", now.Add(lifetime+span), Added)
}
