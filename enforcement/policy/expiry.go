// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"time"
)

// expiring is a compiled exclusion that ends.
type expiring struct {
	number int // of the user, group or role
	group  bool
	until  time.Time
}

// holds says whether the exclusion has not ended. Without a time it has: doubt excludes nobody.
func (e *expiring) holds(now time.Time) bool { return !now.IsZero() && now.Before(e.until) }

// expiring compiles the exclusions that end.
func (s *Set) expiring(ends []ExclusionExpiry) []expiring {
	var all []expiring
	for _, e := range ends {
		x := expiring{until: e.end(), group: e.Group != ""}
		switch {
		case e.Group != "":
			x.number = s.number(s.groups, e.Group)
		case e.Role != "":
			x.number = s.number(s.roles, e.Role)
		case e.User == guestUsers:
			x.number = guest
		default:
			x.number = s.number(s.users, e.User)
		}
		s.words = max(s.words, x.number/64+1)
		all = append(all, x)
	}
	return all
}

// permanent returns the condition without the exclusions that end.
func permanent(u Users, ends []ExclusionExpiry) Users {
	var users, groups, roles []string
	for _, e := range ends {
		users, groups, roles = append(users, e.User), append(groups, e.Group), append(roles, e.Role)
	}
	u.ExcludeUsers = without(u.ExcludeUsers, users)
	u.ExcludeGroups = without(u.ExcludeGroups, groups)
	u.ExcludeRoles = without(u.ExcludeRoles, roles)
	return u
}

// end returns the first instant at which the exclusion no longer holds; the zero time if Until is neither a day nor an
// instant.
func (e ExclusionExpiry) end() time.Time {
	if day, err := time.Parse(time.DateOnly, e.Until); err == nil {
		return day.AddDate(0, 0, 1)
	}
	instant, err := time.Parse(time.RFC3339, e.Until)
	if err != nil {
		return time.Time{}
	}
	return instant
}

// String names the exclusion, such as `user x`.
func (e ExclusionExpiry) String() string {
	switch {
	case e.Group != "":
		return "group " + e.Group
	case e.Role != "":
		return "role " + e.Role
	}
	return "user " + e.User
}

func (v *validator) expiry(u Users, ends []ExclusionExpiry) {
	const member = "tokenProtection.exclusionExpiry"
	seen := map[string]bool{}
	for _, e := range ends {
		if given := without([]string{e.User, e.Group, e.Role}, []string{""}); len(given) != 1 {
			v.problem(member, "must name one user, group or role each, not %d", len(given))
			continue
		}
		excluded := slices.Contains(u.ExcludeUsers, e.User) && e.User != noUsers ||
			slices.Contains(u.ExcludeGroups, e.Group) || slices.Contains(u.ExcludeRoles, e.Role)
		switch {
		case !excluded:
			v.problem(member, "%s is not excluded; expected an entry of excludeUsers, excludeGroups or excludeRoles", e)
		case seen[e.String()]:
			v.problem(member, "%s is given twice; expected one end for each exclusion", e)
		}
		seen[e.String()] = true
		if e.end().IsZero() {
			v.problem(member, "%q is no end for %s; expected the last day, such as 2026-12-31, or an instant, such as 2026-12-31T18:00:00Z", e.Until, e)
		}
	}
}

// NeedsTime says whether some policy has exclusions that end: else Context.Time changes no outcome.
func (s *Set) NeedsTime() bool { return s.ends }
