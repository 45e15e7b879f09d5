// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A banner says whom a policy would lock out if it were on, or does lock out.
type banner struct {
	Title  string
	Says   string
	Quiet  bool // there is nobody
	Locked []locked
	More   string
}

// locked is a user who would be locked out.
type locked struct {
	User, Href, Requests, Reason string
}

func (b *Board) banner(q query, c *counts, link string) banner {
	l := &c.locked
	v := banner{Title: b.bannerTitle(q, l.reportOnly), Says: b.bannerSays(l), Quiet: l.requests == 0}
	order := make([]uint16, 0, len(l.users))
	for user := range l.users {
		order = append(order, user)
	}
	names := b.names[byUser].names
	slices.SortFunc(order, func(x, y uint16) int {
		return cmp.Or(cmp.Compare(l.users[y].requests, l.users[x].requests), cmp.Compare(names[x], names[y]))
	})
	for _, user := range order[:min(len(order), mostLocked)] {
		next := q
		next.values[byUser], next.outcome = names[user], failure
		v.Locked = append(v.Locked, locked{
			User: names[user], Href: link + next.encode(), Requests: number(l.users[user].requests),
			Reason: l.users[user].mostOften(b.names[byReason].names),
		})
	}
	if more := len(order) - mostLocked; more > 0 {
		v.More = "and " + number(more) + " more"
	}
	return v
}

func (b *Board) bannerTitle(q query, reportOnly bool) string {
	l := b.lens(q)
	switch {
	case l.policy >= 0 && reportOnly:
		return "What if “" + b.policies[l.policy].name() + "” were on?"
	case l.policy >= 0:
		return "What “" + b.policies[l.policy].name() + "” refuses"
	case reportOnly:
		return "What if the report-only policies were on?"
	}
	return "What the policies that are on refuse"
}

func (b *Board) bannerSays(l *lockout) string {
	var s strings.Builder
	users, least := len(l.users), ""
	if _, some := l.users[0]; some {
		least = "at least "
	}
	switch {
	case l.requests == 0 && l.reportOnly:
		s.WriteString("Nobody who gets through today would be locked out.")
	case l.requests == 0:
		s.WriteString("Nothing.")
	case l.reportOnly:
		fmt.Fprintf(&s, "It would lock out %s%s: %s that get through today would be refused.", least, plural(users, "user"), plural(l.requests, "request"))
	default:
		fmt.Fprintf(&s, "%s of %s%s.", plural(l.requests, "request"), least, plural(users, "user"))
	}
	remediable := 0
	for _, u := range l.users {
		if u.remediable == u.requests {
			remediable++
		}
	}
	if remediable > 0 {
		fmt.Fprintf(&s, " %s can cure it by registering the device anew (1003, 1004).", plural(remediable, "user"))
	}
	if l.anonymous > 0 {
		fmt.Fprintf(&s, " %s of these came without a valid token.", plural(l.anonymous, "request"))
	}
	if l.already > 0 {
		fmt.Fprintf(&s, " %s more are refused already, by a policy that is on.", plural(l.already, "request"))
	}
	return s.String()
}
