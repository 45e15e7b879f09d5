// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"cmp"
	"slices"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// tally counts requests by outcome.
type tally [4]int

func (t *tally) add(o outcome, requests int) {
	t[anyOutcome] += requests
	t[o] += requests
}

// counts is what the cells come to under a query. Each breakdown leaves its own filter out, so that one can change from one
// value to another, and the tiles leave out the filter by outcome.
type counts struct {
	tiles   tally
	values  [dimensions][]tally // by number of the value
	buckets map[int32]*tally
	locked  lockout
}

// lockout is whom policies refuse, or would if they were on.
type lockout struct {
	reportOnly bool // it is about policies in report-only state
	users      map[uint16]*refused
	requests   int // that get through today, or, if the policies are on, that were refused
	already    int // that another policy refuses today
	anonymous  int // of requests: without a user
}

// refused is one user's refusals.
type refused struct {
	requests   int
	remediable int
	reasons    map[uint16]int
}

// The filters that a cell may not pass, as bits after those of the dimensions.
const (
	missesOutcome = 1 << (dimensions + iota)
	missesTime
)

// count walks the cells once. The caller holds the lock.
func (b *Board) counts(q query) *counts {
	c := &counts{buckets: make(map[int32]*tally)}
	c.locked.users = make(map[uint16]*refused)
	for d := range c.values {
		c.values[d] = make([]tally, len(b.names[d].names))
	}
	l := b.lens(q)
	c.locked.reportOnly = b.hasReportOnly(l)
	outcomes := make([]outcome, len(b.results))
	for i, results := range b.results {
		outcomes[i] = l.outcome(results)
	}
	asked := b.asked(q)
	from, to := b.window(q)
	for cell, requests := range b.cells {
		misses := 0
		for d, fitting := range asked {
			if fitting != nil && !fitting[cell.values[d]] {
				misses |= 1 << d
			}
		}
		o := outcomes[cell.signature]
		if q.outcome != anyOutcome && o != q.outcome {
			misses |= missesOutcome
		}
		if cell.bucket < from || cell.bucket >= to {
			misses |= missesTime
		}
		c.add(cell, o, requests, misses)
		if misses&^missesOutcome == 0 {
			b.lock(&c.locked, l, cell, requests)
		}
	}
	return c
}

func (c *counts) add(cell cell, o outcome, requests, misses int) {
	if misses&^missesOutcome == 0 {
		c.tiles.add(o, requests)
	}
	for d := range c.values {
		if misses&^(1<<d) == 0 {
			c.values[d][cell.values[d]].add(o, requests)
		}
	}
	if misses == 0 && cell.bucket != timeless {
		if c.buckets[cell.bucket] == nil {
			c.buckets[cell.bucket] = new(tally)
		}
		c.buckets[cell.bucket].add(o, requests)
	}
}

// asked returns, for each dimension with a filter, which values fit it.
func (b *Board) asked(q query) (asked [dimensions][]bool) {
	for d, value := range q.values {
		if value == "" {
			continue
		}
		asked[d] = make([]bool, len(b.names[d].names))
		for n, name := range b.names[d].names {
			asked[d][n] = fits(d, value, name)
		}
	}
	return asked
}

// window is the query's time in the board's units. A unit that it touches counts whole.
func (b *Board) window(q query) (from, to int32) {
	start, end := q.window(b.last)
	from, to = timeless, 1<<31-1
	if !start.IsZero() {
		from = bucketOf(start, widths[b.width])
	}
	if !end.IsZero() {
		to = bucketOf(end.Add(-time.Nanosecond), widths[b.width]) + 1
	}
	return from, to
}

func (b *Board) hasReportOnly(l lens) bool {
	return slices.ContainsFunc(b.results, func(results []result) bool {
		return slices.ContainsFunc(results, func(r result) bool { return l.selects(r) && r.reportOnly })
	})
}

// lock counts a cell among those locked out, if a policy under the lens fails it.
func (b *Board) lock(l *lockout, lens lens, cell cell, requests int) {
	failed, enforced := false, false
	for _, r := range b.results[cell.signature] {
		if r.outcome == failure {
			failed = failed || lens.selects(r) && r.reportOnly == l.reportOnly
			enforced = enforced || !r.reportOnly
		}
	}
	switch {
	case !failed:
		return
	case l.reportOnly && enforced:
		l.already += requests
		return
	}
	l.requests += requests
	user, reason := cell.values[byUser], cell.values[byReason]
	if b.names[byUser].names[user] == noUser {
		l.anonymous += requests
		return
	}
	u := l.users[user]
	if u == nil {
		u = &refused{reasons: make(map[uint16]int)}
		l.users[user] = u
	}
	u.requests += requests
	u.reasons[reason] += requests
	if signin.SelfRemediable(codeOf(b.names[byReason].names[reason])) {
		u.remediable += requests
	}
}

// mostOften is the reason that a user was refused for most often.
func (u *refused) mostOften(names []string) string {
	best, found := "", 0
	for reason, requests := range u.reasons {
		if c := cmp.Or(cmp.Compare(requests, found), cmp.Compare(best, names[reason])); c > 0 {
			best, found = names[reason], requests
		}
	}
	return best
}
