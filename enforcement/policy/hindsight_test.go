// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"testing"
)

// gravity is 2 for a request that is refused, 1 for one of which a report-only policy says that it should be, else 0.
func gravity(blocks, fails bool) int {
	switch {
	case blocks:
		return 2
	case fails:
		return 1
	}
	return 0
}

// truth is what the policies make of a request of which everything is known.
func truth(s *Set, c *Context, confirmed bool) int {
	blocks := !c.Known && !c.Bound && s.Targets(c.Resource) || confirmed && !c.Bound && s.BoundTokenNeedsProof(c)
	fails := false
	for _, o := range s.Evaluate(nil, c) {
		blocks = blocks || o.Blocks()
		fails = fails || o.Result == ReportOnlyFailure
	}
	return gravity(blocks, fails)
}

// logged is what a log may say of a request: never groups, roles and device, and of the rest only a part.
func (w world) logged(c Context, confirmed bool) *Past {
	past := &Past{Context: c, Confirmed: confirmed}
	past.Groups, past.Roles, past.GroupsIndeterminate = nil, nil, true
	past.DeviceKnown, past.Device = false, nil
	if past.HardwareKeyMissing = !c.HardwareKey && w.one(2); w.one(2) {
		past.HardwareKey = false
	}
	if w.one(3) {
		past.Platform = ""
	}
	if w.one(3) {
		past.ClientApp = ""
	}
	if w.one(3) {
		past.Address = netip.Addr{}
	}
	return past
}

// Law: hindsight is never better than what would have happened, and where it is certain it is just that.
func TestHindsightAssumesTheWorstAndSaysWhenItDoes(t *testing.T) {
	w := newWorld(7)
	certain, uncertain := [3]int{}, [3]int{}
	for range rounds {
		policies, c, confirmed := w.policies(), w.context(), w.one(2)
		s := w.set(t, policies)
		past := w.logged(*c, confirmed)
		h, want := s.Hindsight(past), truth(s, c, confirmed)
		got := gravity(h.Blocks, h.Fails)
		if got < want || got > want && !h.Uncertain {
			t.Fatalf("%+v\nrequest %+v, confirmed %t\nlogged %+v\ngot %+v, want %d", policies, c, confirmed, past, h, want)
		}
		if h.Uncertain && got == 0 || h.Blocks && h.Fails || h.Policy == nil && got > 0 && (c.Known || c.Bound) {
			t.Fatalf("%+v", h)
		}
		if h.Uncertain {
			uncertain[got]++
		} else {
			certain[got]++
		}
	}
	if certain[0] < rounds/20 || certain[1] < 10 || certain[2] < rounds/50 || uncertain[1] < rounds/50 || uncertain[2] < rounds/50 {
		t.Errorf("certain %v, uncertain %v: the requests are too much alike", certain, uncertain)
	}
}

// Law: the order of policies matters neither for the verdict nor for its certainty.
func TestHindsightDoesNotDependOnTheOrderOfPolicies(t *testing.T) {
	w := newWorld(8)
	for range rounds / 4 {
		policies, c, confirmed := w.policies(), w.context(), w.one(2)
		past := w.logged(*c, confirmed)
		before := w.set(t, policies).Hindsight(past)
		w.Shuffle(len(policies), func(i, j int) { policies[i], policies[j] = policies[j], policies[i] })
		after := w.set(t, policies).Hindsight(past)
		if before.Blocks != after.Blocks || before.Fails != after.Fails || before.Uncertain != after.Uncertain {
			t.Fatalf("%+v\nbefore %+v, after %+v", policies, before, after)
		}
	}
}
