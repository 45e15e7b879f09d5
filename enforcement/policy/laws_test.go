// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// This file checks Evaluate against a second implementation of the semantics, and against the laws that hold for every set of
// policies.

const rounds = 8000

func TestEvaluateAgreesWithTheNaiveReading(t *testing.T) {
	w := newWorld(1)
	results := map[Result]int{}
	indeterminate := 0
	for range rounds {
		policies, c := w.policies(), w.context()
		s := w.set(t, policies)
		var enforcing, needsProof, targeting, excludedBy int
		for i, got := range s.Evaluate(nil, c) {
			p := policies[i]
			percent := p.TokenProtection.RolloutPercent
			inShare := percent == nil || *percent > 0 && (!c.Known || newRollout(p).has(c))
			want := naive(p, c, inShare)
			if !same(got, want) {
				t.Fatalf("policy %+v\ncontext %+v\ngot  %+v\nwant %+v", p, c, got, want)
			}
			results[got.Result]++
			if got.Indeterminate {
				indeterminate++
			}
			if p.State != On || percent != nil && *percent == 0 || !naiveApplications(p.Conditions.Applications, c.Resource) {
				continue
			}
			enforcing++
			everybody := naiveExclusions(p, c)
			everybody.IncludeUsers = []string{"All"}
			in, _ := naiveUsers(everybody, c)
			if !c.Known || in && inShare {
				needsProof++
			}
			targeting++
			if c.Known && !in {
				excludedBy++
			}
		}
		if got := s.Targets(c.Resource); got != (enforcing > 0) {
			t.Fatalf("Targets: got %t with %d enforced policies: %+v", got, enforcing, policies)
		}
		if got := s.BoundTokenNeedsProof(c); got != (needsProof > 0) {
			t.Fatalf("BoundTokenNeedsProof: got %t with %d policies asking: %+v %+v", got, needsProof, policies, c)
		}
		if got := s.Excluded(c); got != (targeting > 0 && targeting == excludedBy) {
			t.Fatalf("Excluded: got %t, by %d of %d: %+v %+v", got, excludedBy, targeting, policies, c)
		}
	}
	// A generator that never gets anywhere proves nothing.
	for _, r := range []Result{Success, Failure, NotApplied, NotEnabled, ReportOnlySuccess, ReportOnlyFailure, ReportOnlyNotApplied} {
		if results[r] < 100 {
			t.Errorf("only %d outcomes of %d rounds are %s", results[r], rounds, r)
		}
	}
	if indeterminate < 100 {
		t.Errorf("only %d outcomes are indeterminate", indeterminate)
	}
}

func blocks(outcomes []Outcome) bool {
	return slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Blocks() })
}

func TestAddingAReportOnlyPolicyNeverChangesADecision(t *testing.T) {
	w := newWorld(2)
	for range rounds {
		policies, c := w.policies(), w.context()
		added := w.policy(100)
		added.State = ReportOnly
		if w.one(3) {
			nobody := 0
			added.State, added.TokenProtection.RolloutPercent = On, &nobody
		}
		before, after := w.set(t, policies), w.set(t, slices.Insert(slices.Clone(policies), w.IntN(len(policies)+1), added))
		if blocks(before.Evaluate(nil, c)) != blocks(after.Evaluate(nil, c)) ||
			before.Targets(c.Resource) != after.Targets(c.Resource) ||
			before.BoundTokenNeedsProof(c) != after.BoundTokenNeedsProof(c) || before.Excluded(c) != after.Excluded(c) {
			t.Fatalf("adding %+v\nto %+v\nchanges the decision about %+v", added, policies, c)
		}
	}
}

func TestPolicyOrderNeverMatters(t *testing.T) {
	w := newWorld(3)
	for range rounds {
		policies, c := w.policies(), w.context()
		shuffled := slices.Clone(policies)
		w.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		one, other := w.set(t, policies), w.set(t, shuffled)
		byID := map[string]Outcome{}
		for _, o := range one.Evaluate(nil, c) {
			byID[o.Policy.ID] = o
		}
		for i, o := range other.Evaluate(nil, c) {
			if o.Policy.ID != shuffled[i].ID || !same(o, byID[o.Policy.ID]) {
				t.Fatalf("shuffled, %+v became %+v", byID[o.Policy.ID], o)
			}
		}
		if one.Targets(c.Resource) != other.Targets(c.Resource) ||
			one.BoundTokenNeedsProof(c) != other.BoundTokenNeedsProof(c) || one.Excluded(c) != other.Excluded(c) {
			t.Fatalf("the order of %+v decides about %+v", policies, c)
		}
	}
}

func TestExcludeBeatsInclude(t *testing.T) {
	w := newWorld(4)
	for range rounds {
		p, c := w.policy(0), w.context()
		c.Known = true
		p.TokenProtection.ExclusionExpiry = nil
		u := &p.Conditions.Users
		want := ConditionUsers
		switch w.IntN(8) {
		case 0:
			u.ExcludeUsers = append(u.ExcludeUsers, c.UserID)
		case 1:
			u.ExcludeUsers = append(u.ExcludeUsers, c.User)
			c.UserNameUnverified = false
		case 2:
			u.ExcludeGroups = append(u.ExcludeGroups, "g-mine")
			c.Groups = append(c.Groups, "g-mine")
		case 3:
			u.ExcludeGuestsOrExternalUsers = &GuestsOrExternalUsers{"internalGuest"}
			c.Guest = true
		case 4:
			p.Conditions.Locations = Locations{[]string{"All", "Office"}, []string{pick(w, "Office", "AllTrusted")}}
			c.Address, want = netip.MustParseAddr("192.0.2.7"), ConditionLocation
		case 5:
			p.Conditions.Devices.DeviceFilter = &DeviceFilter{ExcludeDevices, `systemLabels -contains "CloudPC"`}
			c.DeviceKnown, c.Device, want = true, &device.Device{SystemLabels: []string{"CloudPC"}}, ConditionDeviceState
		case 6:
			p.Conditions.Platforms = Platforms{[]Platform{AllPlatforms, Linux}, []Platform{Linux}}
			c.Platform, want = Linux, ConditionDevicePlatform
		case 7:
			u.ExcludeRoles = append(u.ExcludeRoles, "r-late")
			p.TokenProtection.ExclusionExpiry = []ExclusionExpiry{{Role: "r-late", Until: "2026-06-24"}}
			c.Roles, c.Time = append(c.Roles, "r-late"), midsummer
		}
		o := w.set(t, []Policy{p}).Evaluate(nil, c)[0]
		if p.State != Off && o.NotSatisfied&want == 0 {
			t.Fatalf("policy %+v\napplies to the excluded %+v", p, c)
		}
	}
}

// Doubt never lets a request out of a policy's scope: whatever is not known, a policy that applies still does.
func TestDoubtNeverNarrowsAPolicy(t *testing.T) {
	w := newWorld(6)
	narrowed := 0
	for range rounds {
		policies, c := w.policies(), w.context()
		doubtful := *c
		for range w.IntN(3) + 1 {
			switch w.IntN(8) {
			case 0:
				doubtful.Platform = ""
			case 1:
				doubtful.ClientApp = ""
			case 2:
				doubtful.Address = netip.Addr{}
			case 3:
				doubtful.DeviceKnown, doubtful.Device = false, nil
			case 4:
				doubtful.Groups, doubtful.GroupsIndeterminate = nil, true
			case 5:
				doubtful.Time = time.Time{}
			case 6:
				doubtful.UserNameUnverified = true
			case 7:
				doubtful.Known = false
			}
		}
		s := w.set(t, policies)
		before, after := s.Evaluate(nil, c), s.Evaluate(nil, &doubtful)
		for i := range before {
			if before[i].NotSatisfied == 0 && after[i].NotSatisfied != 0 {
				t.Fatalf("policy %+v\napplies to  %+v\nand not to %+v", policies[i], c, doubtful)
			}
			if before[i].NotSatisfied != 0 && after[i].NotSatisfied == 0 {
				narrowed++
			}
		}
		if s.BoundTokenNeedsProof(c) && !s.BoundTokenNeedsProof(&doubtful) || s.Excluded(&doubtful) && !s.Excluded(c) {
			t.Fatalf("doubt lifts the proof, or breaks the glass: %+v\n%+v\n%+v", policies, c, doubtful)
		}
	}
	if narrowed < 100 {
		t.Errorf("doubt mattered in %d outcomes of %d rounds: the worlds drawn prove little", narrowed, rounds)
	}
}

// Where everything is known, a what-if tells the decision and the results that a request would get.
func TestWhatIfTellsWhatWouldHappen(t *testing.T) {
	w := newWorld(7)
	decisions := map[string]int{}
	for range rounds / 2 {
		policies, c := w.policies(), w.context()
		c.Known, c.UserNameUnverified, c.GroupsIndeterminate, c.DeviceKnown = true, false, false, true
		if c.Device == nil {
			c.Device = &device.Device{}
		}
		r := WhatIfRequest{
			SignInIdentity:   SignInIdentity{UserID: c.UserID, UserPrincipalName: c.User, Groups: append([]string{}, c.Groups...), Roles: append([]string{}, c.Roles...)},
			SignInContext:    SignInContext{IncludeApplications: []string{c.Resource}},
			SignInConditions: SignInConditions{DevicePlatform: c.Platform, ClientAppType: c.ClientApp, DeviceInfo: (*DeviceInfo)(c.Device)},
			TokenProtection:  WhatIfToken{Bound: c.Bound, HardwareKey: c.HardwareKey},
		}
		if c.Guest {
			r.SignInIdentity.ExternalUserType = "otherExternalUser"
		}
		if c.Address.IsValid() {
			r.SignInConditions.IPAddress = c.Address.String()
		}
		s := w.set(t, policies)
		outcomes := s.Evaluate(nil, c)
		response, err := s.WhatIf(r, c.Time)
		if err != nil {
			t.Fatal(err)
		}
		if blocks(outcomes) != (response.Decision == WhatIfBlock) {
			t.Fatalf("%+v\nabout %+v decides %s, want block %t", policies, r, response.Decision, blocks(outcomes))
		}
		for i, v := range response.Value {
			if o := outcomes[i]; v.Result != o.Result.String() || v.Enforced != o.Enforced || v.PolicyApplies != (o.Result != NotEnabled && o.NotSatisfied == 0) {
				t.Fatalf("%+v\ngot  %+v\nwant %+v", policies[i], v, o)
			}
			if (v.AnalysisReasons == "notSet") != v.PolicyApplies && v.MissingInformation == nil {
				t.Fatalf("%+v applies without a reason, or not for one", v)
			}
		}
		decisions[response.Decision]++
	}
	if decisions[WhatIfAllow] < 100 || decisions[WhatIfBlock] < 100 {
		t.Errorf("decisions: %v", decisions)
	}
}

// More users, groups and roles than the stack holds numbers for.
func TestManyNamedValuesEvaluateLikeFew(t *testing.T) {
	var p Policy
	for i := range 3 * stackWords * 64 {
		p.Conditions.Users.IncludeGroups = append(p.Conditions.Users.IncludeGroups, fmt.Sprintf("group-%d", i))
	}
	u := p.Conditions.Users
	u.ExcludeUsers = []string{"id-last"}
	s := mustCompile(t, plain(users(u)))
	for _, test := range []struct {
		user, group string
		want        Result
	}{
		{"id-ann", "group-3071", Failure},
		{"id-ann", "group-3072", NotApplied},
		{"id-ann", "group-0", Failure},
		{"id-last", "group-3071", NotApplied},
	} {
		c := ann(func(c *Context) { c.UserID, c.Groups = test.user, []string{test.group} })
		if got := s.Evaluate(nil, c)[0].Result; got != test.want {
			t.Errorf("%s in %s: got %s, want %s", test.user, test.group, got, test.want)
		}
	}
}
