// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"testing"
	"time"
)

// A set that stands alone judges proofs and nonces by their times, whatever their scope.
func TestReplayOwesAndTrustsByTime(t *testing.T) {
	r := newReplay(t, 100, 100)
	r.Raise(at(time.Minute))
	for offset, old := range map[time.Duration]bool{0: true, time.Minute - 1: true, time.Minute: true, time.Minute + 1: false, time.Hour: false} {
		for _, scope := range []uint64{AnyScope, 1, 1 << 63} {
			if got := r.Owes(at(offset), scope); got != old {
				t.Errorf("a proof accepted at +%v at the latest owes a nonce: %v", offset, got)
			}
		}
	}
	for offset, trusted := range map[time.Duration]bool{0: false, time.Minute - 1: false, time.Minute: true, time.Hour: true} {
		if got := r.Trusts(at(offset), 1<<63); got != trusted {
			t.Errorf("a nonce issued at +%v is trusted: %v", offset, got)
		}
	}
	if r.Scope() != AnyScope {
		t.Errorf("scope %x", r.Scope())
	}
}

// A proof counts against the quota until its generation goes.
func TestReplayRetentionIsWhenAQuotaIsFreeAgain(t *testing.T) {
	r := newReplay(t, 100, 1)
	wantAdd(t, r, alice, "first", at(span-1), Added)
	wantAdd(t, r, alice, "second", at(span), OverQuota)
	wantAdd(t, r, alice, "second", at(span-1).Add(r.Retention()+span), Added)
	if r.Retention() < lifetime {
		t.Errorf("retention %v is shorter than the lifetime", r.Retention())
	}
}

// The name of a proof is the same wherever it is computed, and is never that of none.
func TestIdentifyNamesKeyAndID(t *testing.T) {
	again := alice // elsewhere in memory
	name := Identify(&alice, "1")
	if Identify(&again, "1") != name {
		t.Error("the same proof has two names")
	}
	for _, other := range []Identity{Identify(&alice, "2"), Identify(&bob, "1"), Identify(&alice, ""), {}} {
		if other == name {
			t.Error("another proof has the same name")
		}
	}
}
