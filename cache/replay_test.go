// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	lifetime = 80 * time.Second
	span     = lifetime / generationsPerLifetime
)

var (
	start = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	alice = [32]byte{1}
	bob   = [32]byte{2}
)

// at returns the time d after the start.
func at(d time.Duration) time.Time { return start.Add(d) }

func newReplay(t testing.TB, maxEntries, maxPerKey int) *Replay {
	t.Helper()
	r, err := NewReplay(ReplayConfig{MaxEntries: maxEntries, MaxPerKey: maxPerKey, Lifetime: lifetime, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantAdd(t *testing.T, r *Replay, key [32]byte, id string, now time.Time, want Outcome) {
	t.Helper()
	if got := r.Add(key, id, now); got != want {
		t.Fatalf("id %s at +%s: %v, want %v", id, now.Sub(start), got, want)
	}
}

func wantWatermark(t *testing.T, r *Replay, want time.Time) {
	t.Helper()
	if got := r.Watermark(); !got.Equal(want) {
		t.Errorf("watermark is +%s, want +%s", got.Sub(start), want.Sub(start))
	}
}

func TestReplayRefusesBadConfig(t *testing.T) {
	good := ReplayConfig{MaxEntries: 1, MaxPerKey: 1, Lifetime: 1, Start: start}
	if _, err := NewReplay(good); err != nil {
		t.Fatalf("the smallest configuration is refused: %v", err)
	}
	tests := map[string]func(*ReplayConfig){
		"MaxEntries": func(c *ReplayConfig) { c.MaxEntries = 0 },
		"MaxPerKey":  func(c *ReplayConfig) { c.MaxPerKey = -1 },
		"Lifetime":   func(c *ReplayConfig) { c.Lifetime = 0 },
		"Start":      func(c *ReplayConfig) { c.Start = time.Time{} },
	}
	for field, spoil := range tests {
		t.Run(field, func(t *testing.T) {
			config := good
			spoil(&config)
			if _, err := NewReplay(config); err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("error is %v, want one that names %s", err, field)
			}
		})
	}
	_, err := NewReplay(ReplayConfig{})
	for field := range tests {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("error is %v, want one that names all fields, %s too", err, field)
		}
	}
}

// RFC 9449, section 11.1: the same proof is not accepted twice while it could be.
func TestReplayRefusesOverTheWholeLifetime(t *testing.T) {
	// Recorded anywhere in a generation: at its first instant, inside, at its last instant.
	for _, recorded := range []time.Duration{0, 1, span / 3, span - 1, span, 7*span + 1} {
		r := newReplay(t, 1000, 1000)
		wantAdd(t, r, alice, "id", at(recorded), Added)
		for age := time.Duration(0); age < lifetime; age += lifetime / 160 {
			now := at(recorded + age)
			if !r.Seen(alice, "id", now) {
				t.Fatalf("recorded at +%s: not seen at the age of %s", recorded, age)
			}
			wantAdd(t, r, alice, "id", now, Replayed)
			// Others come and make generations go by.
			wantAdd(t, r, bob, age.String(), now, Added)
		}
		wantAdd(t, r, alice, "id", at(recorded+lifetime-1), Replayed)
	}
}

func TestReplayForgetsAtMostAQuarterAfterTheLifetime(t *testing.T) {
	for _, recorded := range []time.Duration{0, span / 3, span - 1} {
		r := newReplay(t, 1000, 1)
		wantAdd(t, r, alice, "id", at(recorded), Added)
		late := at(recorded + lifetime + span)
		if r.Seen(alice, "id", late) {
			t.Errorf("recorded at +%s: still seen at +%s", recorded, late.Sub(start))
		}
		wantAdd(t, r, alice, "id", late, Added)
		if entries := r.Stats().Entries; entries != 1 {
			t.Errorf("%d entries, want 1", entries)
		}
		wantWatermark(t, r, start) // what expired could not have been replayed
	}
}

// A lifetime that is no multiple of four is not cut short.
func TestReplayRefusesOverAnOddLifetime(t *testing.T) {
	for odd := time.Duration(1); odd < 12; odd++ {
		for recorded := range odd {
			r, err := NewReplay(ReplayConfig{MaxEntries: 100, MaxPerKey: 100, Lifetime: odd, Start: start})
			if err != nil {
				t.Fatal(err)
			}
			wantAdd(t, r, alice, "id", at(recorded), Added)
			for age := range odd {
				wantAdd(t, r, alice, "id", at(recorded+age), Replayed)
				wantAdd(t, r, bob, age.String(), at(recorded+age), Added)
			}
		}
	}
}

func TestReplayIdentityIsKeyAndID(t *testing.T) {
	r := newReplay(t, 1000, 1000)
	long := strings.Repeat("x", 1000)
	for _, id := range []string{"a", "b", "", "a\x00", long, long + "y"} {
		wantAdd(t, r, alice, id, start, Added)
		wantAdd(t, r, bob, id, start, Added)
		wantAdd(t, r, alice, id, start, Replayed)
		wantAdd(t, r, bob, id, start, Replayed)
	}
	if r.Seen(alice, "c", start) {
		t.Error("an id that was never recorded is seen")
	}
}

func TestReplaySeenChangesNothing(t *testing.T) {
	r := newReplay(t, 10, 10)
	before := r.Stats()
	if r.Seen(alice, "id", at(3*lifetime)) {
		t.Error("seen in an empty set")
	}
	if after := r.Stats(); after != before {
		t.Errorf("stats are %+v, were %+v", after, before)
	}
	wantAdd(t, r, alice, "id", start, Added)
}

// One device cannot fill the set, nor use up what others may have.
func TestReplayQuotaHurtsOnlyItsKey(t *testing.T) {
	const quota = 5
	r := newReplay(t, 1000, quota)
	// Spread over several generations: the quota counts all of them.
	for i := range quota {
		wantAdd(t, r, alice, strconv.Itoa(i), at(time.Duration(i)*span), Added)
	}
	now := at((quota - 1) * span)
	for i := range 100 {
		wantAdd(t, r, alice, "more"+strconv.Itoa(i), now, OverQuota)
		if r.Seen(alice, "more"+strconv.Itoa(i), now) {
			t.Fatal("a proof over quota was stored")
		}
	}
	wantAdd(t, r, alice, "0", now, Replayed) // a replay is called one, quota or not
	for i := range quota {
		wantAdd(t, r, bob, strconv.Itoa(i), now, Added)
	}
	if stats := r.Stats(); stats.OverQuota != 100 || stats.Replayed != 1 || stats.Entries != 2*quota {
		t.Errorf("stats are %+v, want 100 over quota, 1 replayed, %d entries", stats, 2*quota)
	}

	// The first of alice's goes with its generation, and makes room for exactly one.
	now = at(span + lifetime)
	wantAdd(t, r, alice, "later", now, Added)
	wantAdd(t, r, alice, "too many", now, OverQuota)
}

func TestReplayStartIsTheFirstWatermark(t *testing.T) {
	r := newReplay(t, 10, 10)
	wantWatermark(t, r, start)
	wantAdd(t, r, alice, "id", at(time.Second), Added)
	wantWatermark(t, r, start)
}

func TestReplayOutcomesHaveNames(t *testing.T) {
	for outcome, want := range map[Outcome]string{Added: "added", Replayed: "replayed", OverQuota: "over quota", 0: "outcome 0"} {
		if got := outcome.String(); got != want {
			t.Errorf("outcome is called %q, want %q", got, want)
		}
	}
}

func TestRaiseNeverLowersTheWatermark(t *testing.T) {
	start := time.Unix(1700000000, 0)
	r, err := NewReplay(ReplayConfig{MaxEntries: 10, MaxPerKey: 10, Lifetime: time.Minute, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ raise, want time.Time }{
		{start.Add(time.Second), start.Add(time.Second)},
		{start, start.Add(time.Second)},
	} {
		if r.Raise(test.raise); !r.Watermark().Equal(test.want) {
			t.Errorf("raised to %v: got %v, want %v", test.raise, r.Watermark(), test.want)
		}
	}
}

// What the cheap look finds is a refused replay like any other; a question about a session is not.
func TestReplayCountsWhatTheLookFinds(t *testing.T) {
	r := newReplay(t, 100, 100)
	wantAdd(t, r, alice, "spent", start, Added)
	for _, id := range []string{"spent", "fresh"} {
		r.Look(Identify(&alice, id), start)
		r.Seen(alice, id, start)
	}
	if got := r.Stats().Replayed; got != 1 {
		t.Errorf("%d replays, expected 1", got)
	}
}
