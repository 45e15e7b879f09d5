// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"hash/fnv"
	"testing"
)

// With 100,000 users the share's standard deviation is at most 158 users; 600 is nearly four of them.
func TestTheRolloutShareIsNearThePercentage(t *testing.T) {
	const population, tolerance = 100_000, 600
	shapes := map[string]string{"counting": "user-%06d", "addresses": "%d@contoso.example", "GUIDs": "00000000-0000-4000-8000-%012x"}
	for name, shape := range shapes {
		for _, percent := range []int{1, 10, 25, 50, 75, 99} {
			r := newRollout(plain(share(percent)))
			inside := 0
			for i := range population {
				if r.has(&Context{Known: true, UserID: fmt.Sprintf(shape, i)}) {
					inside++
				}
			}
			if want := percent * population / 100; inside < want-tolerance || inside > want+tolerance {
				t.Errorf("%s, %d%%: %d of %d users inside, want %d +/- %d", name, percent, inside, population, want, tolerance)
			}
		}
	}
}

func TestRaisingTheRolloutShareNeverTakesAUserOut(t *testing.T) {
	for i := range 1000 {
		c := &Context{Known: true, UserID: fmt.Sprintf("user-%d", i)}
		was := false
		for percent := range 101 {
			is := newRollout(plain(share(percent))).has(c)
			if was && !is {
				t.Fatalf("%s is inside %d%% and outside %d%%", c.UserID, percent-1, percent)
			}
			was = is
		}
		if !was {
			t.Fatalf("%s is outside 100%%", c.UserID)
		}
	}
}

// The share is the same on every node and in every version: these places must never change.
func TestTheRolloutShareIsStable(t *testing.T) {
	for _, test := range []struct {
		policy, user string
		percent      int // the smallest share that holds the user
	}{
		{"require-token-protection", "id-ann", 9},
		{"require-token-protection", "id-bob", 74},
		{"another-policy", "id-ann", 5},
	} {
		for _, percent := range []int{test.percent - 1, test.percent} {
			r := newRollout(Policy{ID: test.policy, TokenProtection: TokenProtection{RolloutPercent: &percent}})
			if got, want := r.has(&Context{UserID: test.user}), percent == test.percent; got != want {
				t.Errorf("%s in %d%% of %s: got %t, want %t", test.user, percent, test.policy, got, want)
			}
		}
	}
}

func TestTheHashIsFNV(t *testing.T) {
	h := fnv.New64a()
	h.Write([]byte("policy\x00user"))
	r := newRollout(Policy{ID: "policy"})
	if got := fnv1a(r.seed, "user"); got != h.Sum64() {
		t.Errorf("got %x, want %x", got, h.Sum64())
	}
}

func TestWhoIsInTheRolloutShareFollowsFromTheIDAlone(t *testing.T) {
	r := newRollout(plain(share(50)))
	for i := range 200 {
		id := fmt.Sprintf("user-%d", i)
		want := r.has(&Context{UserID: id})
		if got := r.has(&Context{UserID: id, User: "another name", Guest: true, Groups: []string{"g"}}); got != want {
			t.Fatalf("%s: other facts about the user move it", id)
		}
		if got := r.has(&Context{User: id}); got != want {
			t.Fatalf("%s: a user without an id is placed by name", id)
		}
	}
	if !newRollout(plain(share(1))).has(&Context{Known: true}) {
		t.Error("a user with neither id nor name must be inside")
	}
}
