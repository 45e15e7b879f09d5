// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"
	"time"
)

func TestAnExclusionHoldsUntilItsEnd(t *testing.T) {
	everybodyBut := func(u Users) func(*Policy) { u.IncludeUsers = []string{"All"}; return users(u) }
	user, group := everybodyBut(Users{ExcludeUsers: []string{"id-ann"}}), everybodyBut(Users{ExcludeGroups: []string{"pilot"}})
	role, guests := everybodyBut(Users{ExcludeRoles: []string{"reader"}}), everybodyBut(Users{ExcludeUsers: []string{"GuestsOrExternalUsers"}})
	const day, instant = "2026-12-31", "2026-12-31T18:00:00+01:00"
	at := func(text string) time.Time {
		instant, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return instant
	}
	for name, test := range map[string]struct {
		exclude func(*Policy)
		end     ExclusionExpiry
		last    string // instant at which it still holds
		first   string // instant at which it does not
	}{
		"user, day":       {user, ExclusionExpiry{User: "id-ann", Until: day}, "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z"},
		"user, instant":   {user, ExclusionExpiry{User: "id-ann", Until: instant}, "2026-12-31T16:59:59.999Z", "2026-12-31T17:00:00Z"},
		"user, elsewhere": {user, ExclusionExpiry{User: "id-ann", Until: day}, "2026-12-31T15:59:59-08:00", "2026-12-31T16:00:00-08:00"},
		"group":           {group, ExclusionExpiry{Group: "pilot", Until: day}, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
		"role":            {role, ExclusionExpiry{Role: "reader", Until: day}, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
		"guests":          {guests, ExclusionExpiry{User: "GuestsOrExternalUsers", Until: day}, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
		"a leap day":      {user, ExclusionExpiry{User: "id-ann", Until: "2028-02-29"}, "2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z"},
	} {
		s := mustCompile(t, plain(test.exclude, ends(test.end)))
		for instant, want := range map[time.Time]Result{at(test.last): NotApplied, at(test.first): Failure, {}: Failure} {
			c := ann(func(c *Context) { c.Guest, c.Time = true, instant })
			if got := s.Evaluate(nil, c)[0].Result; got != want {
				t.Errorf("%s, at %s: got %s, want %s", name, instant, got, want)
			}
			if excluded := want == NotApplied; s.Excluded(c) != excluded || s.BoundTokenNeedsProof(c) == excluded {
				t.Errorf("%s, at %s: excluded %t, bound token needs proof %t", name, instant, s.Excluded(c), s.BoundTokenNeedsProof(c))
			}
		}
		if !s.NeedsTime() {
			t.Errorf("%s: does not need the time", name)
		}
	}
}

func TestOneExclusionEndsAndAnotherDoesNot(t *testing.T) {
	s := mustCompile(t, plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"id-ann", "id-bob"}}),
		ends(ExclusionExpiry{User: "id-bob", Until: "2026-06-23"})))
	for user, want := range map[string]Result{"id-ann": NotApplied, "id-bob": Failure} {
		if got := s.Evaluate(nil, ann(func(c *Context) { c.UserID, c.Time = user, midsummer }))[0].Result; got != want {
			t.Errorf("%s: got %s, want %s", user, got, want)
		}
	}
	if mustCompile(t, plain()).NeedsTime() || mustCompile(t, plain(state(Off), users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"a"}}),
		ends(ExclusionExpiry{User: "a", Until: "2026-06-23"}))).NeedsTime() {
		t.Error("without exclusions that end, or in a policy that is off, the time does not matter")
	}
}

// A group that might exclude leaves doubt only as long as its exclusion holds.
func TestACutOffGroupListLeavesNoDoubtAboutAnEndedExclusion(t *testing.T) {
	s := mustCompile(t, plain(users(Users{IncludeUsers: []string{"All"}, ExcludeGroups: []string{"away"}}), ends(ExclusionExpiry{Group: "away", Until: "2026-06-24"})))
	for instant, want := range map[time.Time]bool{midsummer: true, midsummer.AddDate(0, 0, 1): false} {
		c := ann(func(c *Context) { c.GroupsIndeterminate, c.Time = true, instant })
		if o := s.Evaluate(nil, c)[0]; o.Result != Failure || o.Indeterminate != want {
			t.Errorf("at %s: got %s, indeterminate %t, want %t", instant, o.Result, o.Indeterminate, want)
		}
	}
}

// An exclusion that ends never excludes by a name that its user can choose.
func TestAnExclusionThatEndsDoesNotTrustAnUnverifiedName(t *testing.T) {
	s := mustCompile(t, plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"ann@contoso.example"}}),
		ends(ExclusionExpiry{User: "ann@contoso.example", Until: "2026-06-24"})))
	for unverified, want := range map[bool]Result{true: Failure, false: NotApplied} {
		c := ann(func(c *Context) { c.UserNameUnverified, c.Time = unverified, midsummer })
		if got := s.Evaluate(nil, c)[0].Result; got != want {
			t.Errorf("unverified %t: got %s, want %s", unverified, got, want)
		}
	}
}
