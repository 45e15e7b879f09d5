// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// Graph's words in lists of users.
const (
	allUsers   = "All"
	noUsers    = "None"
	guestUsers = "GuestsOrExternalUsers"
)

// The numbers that every Set has; the values that policies name are numbered after them.
const (
	everyone = iota
	guest
	firstValue
)

// people is a compiled user condition: sets of numbers, one bit each.
type people struct {
	include, exclude               []uint64
	includesGroups, excludesGroups bool
	expiring                       []expiring // not in exclude
}

// people compiles a user condition, numbering each value that no earlier policy has named.
func (s *Set) people(u Users, ends []ExclusionExpiry) people {
	u = permanent(u, ends)
	p := people{includesGroups: len(u.IncludeGroups) > 0, excludesGroups: len(u.ExcludeGroups) > 0, expiring: s.expiring(ends)}
	p.include = s.numbers(u.IncludeUsers, u.IncludeGroups, u.IncludeRoles, u.IncludeGuestsOrExternalUsers)
	p.exclude = s.numbers(u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles, u.ExcludeGuestsOrExternalUsers)
	return p
}

func (s *Set) numbers(users, groups, roles []string, guests *GuestsOrExternalUsers) []uint64 {
	var set []uint64
	add := func(number int) {
		if missing := number/64 + 1 - len(set); missing > 0 {
			set = append(set, make([]uint64, missing)...)
		}
		set[number/64] |= 1 << (number % 64)
		s.words = max(s.words, len(set))
	}
	for _, value := range users {
		switch value {
		case allUsers:
			add(everyone)
		case guestUsers:
			add(guest)
		case noUsers:
		default:
			add(s.number(s.users, value))
		}
	}
	for _, value := range groups {
		add(s.number(s.groups, value))
	}
	for _, value := range roles {
		add(s.number(s.roles, value))
	}
	if guests.any() {
		add(guest)
	}
	return set
}

func (s *Set) number(values map[string]int, value string) int {
	number, ok := values[value]
	if !ok {
		number = firstValue + len(s.users) + len(s.groups) + len(s.roles)
		values[value] = number
	}
	return number
}

// subject is a request's user: the numbers that are true of it.
type subject struct {
	numbers []uint64
	alias   int // number of a user name that may include and must not exclude; 0 if there is none
}

// stackWords is how many words of numbers Evaluate keeps on the stack: 1,022 users, groups and roles named by policies.
const stackWords = 16

// subject looks every fact about the user up once, so that a policy costs a few ANDs however long the group list is.
// The numbers live in scratch, which must be zero, if they fit.
func (s *Set) subject(c *Context, scratch []uint64) subject {
	who := subject{numbers: scratch[:min(s.words, len(scratch))]}
	if s.words > len(scratch) {
		who.numbers = make([]uint64, s.words)
	}
	if !c.Known {
		return who
	}
	who.add(everyone)
	if c.Guest {
		who.add(guest)
	}
	if number, ok := s.users[c.UserID]; ok {
		who.add(number)
	}
	if number, ok := s.users[c.User]; ok {
		if c.UserNameUnverified {
			who.alias = number
		} else {
			who.add(number)
		}
	}
	if len(s.groups) > 0 {
		for _, group := range c.Groups {
			if number, ok := s.groups[group]; ok {
				who.add(number)
			}
		}
	}
	if len(s.roles) > 0 {
		for _, role := range c.Roles {
			if number, ok := s.roles[role]; ok {
				who.add(number)
			}
		}
	}
	return who
}

func (who *subject) add(number int) { who.numbers[number/64] |= 1 << (number % 64) }

// includes says whether the condition names the user, or a group that the user may be a member of; unknown says that
// it is only this "may".
func (p *people) includes(who *subject, c *Context) (included, unknown bool) {
	if intersect(p.include, who.numbers) || who.alias != 0 && has(p.include, who.alias) {
		return true, false
	}
	unknown = c.GroupsIndeterminate && p.includesGroups
	return unknown, unknown
}

// excludes says whether the condition excludes the user for certain; unknown says that a group might, if the group list
// were whole.
func (p *people) excludes(who *subject, c *Context) (excluded, unknown bool) {
	if intersect(p.exclude, who.numbers) {
		return true, false
	}
	unknown = p.excludesGroups
	for i := range p.expiring {
		e := &p.expiring[i]
		if !e.holds(c.Time) {
			continue
		}
		if has(who.numbers, e.number) {
			return true, false
		}
		unknown = unknown || e.group
	}
	return false, unknown && c.GroupsIndeterminate
}

func intersect(a, b []uint64) bool {
	for i := range min(len(a), len(b)) {
		if a[i]&b[i] != 0 {
			return true
		}
	}
	return false
}

func has(set []uint64, number int) bool {
	return number/64 < len(set) && set[number/64]&(1<<(number%64)) != 0
}

// any says whether the condition names some kind of guest.
func (g *GuestsOrExternalUsers) any() bool {
	return len(g.kinds()) > 0
}

// kinds returns the kinds of guest that the condition names.
func (g *GuestsOrExternalUsers) kinds() []string {
	if g == nil {
		return nil
	}
	return slices.DeleteFunc(splitList(g.GuestOrExternalUserTypes), func(kind string) bool { return kind == "none" })
}
