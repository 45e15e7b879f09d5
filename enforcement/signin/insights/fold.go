// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"math"
	"time"
)

// widths are the units of time that a board counts in, each a multiple of the one before.
var widths = [...]time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour, 364 * 24 * time.Hour,
}

// detail says what a board has given up to stay within its limits.
type detail struct {
	networks   bool
	unrefused  bool // users while no policy has refused them
	users      bool
	signatures bool
}

// bucketOf is the unit of time that t falls into.
func bucketOf(t time.Time, width time.Duration) int32 {
	n := t.Unix() / int64(width/time.Second)
	return int32(min(max(n, timeless+1), math.MaxInt32)) //nolint:gosec // in range now
}

// Steps of time below which others kinds of detail go first.
const (
	fineSteps   = 48
	coarseSteps = 12
)

// makeRoom gives up detail until a quarter of the cells is free, in this order: units of time down to some 48, networks,
// users that were never refused, units of time down to some 12, all users. There always is something left to count in.
func (b *Board) makeRoom() {
	for _, give := range []func() bool{
		func() bool { return b.widen(fineSteps) },
		func() bool { return !b.folded.networks && b.foldInto(&b.folded.networks) },
		func() bool { return !b.folded.unrefused && b.foldInto(&b.folded.unrefused) },
		func() bool { return b.widen(coarseSteps) },
		func() bool { return !b.folded.users && b.foldInto(&b.folded.users) },
		func() bool { return b.widen(1) },
	} {
		for len(b.cells) > b.limits.Cells*3/4 && give() {
		}
	}
}

// foldInto notes what is given up, and counts anew.
func (b *Board) foldInto(given *bool) bool {
	if given == &b.folded.unrefused {
		b.refused = b.refusedUsers()
	}
	*given = true
	b.recount(b.fold)
	return true
}

// refusedUsers says of each user's number whether some policy refused a request, or would have.
func (b *Board) refusedUsers() []bool {
	refused := make([]bool, described[byUser].most+1)
	for c := range b.cells {
		refused[c.values[byUser]] = refused[c.values[byUser]] || b.fails(c)
	}
	return refused
}

func (b *Board) fails(c cell) bool {
	return lens{policy: -1}.outcome(b.results[c.signature]) == failure
}

// fold applies to a cell what has been given up.
func (b *Board) fold(c cell) cell {
	if b.folded.networks {
		c.values[byNetwork] = 0
	}
	if b.folded.unrefused && !b.refused[c.values[byUser]] {
		if b.fails(c) {
			b.refused[c.values[byUser]] = true
		} else {
			c.values[byUser] = 0
		}
	}
	if b.folded.users {
		c.values[byUser] = 0
	}
	return c
}

// widen counts in the next larger unit of time, unless fewer than the given number of them were left.
func (b *Board) widen(least int) bool {
	if b.width+1 >= len(widths) || b.first.IsZero() {
		return false
	}
	if span := b.last.Sub(b.first); least > 1 && span < time.Duration(least)*widths[b.width+1] {
		return false
	}
	from := b.width
	b.width++
	b.recount(func(c cell) cell { return b.rebucket(c, from) })
	return true
}

// rebucket moves a cell from an earlier width to the present one.
func (b *Board) rebucket(c cell, from int) cell {
	if c.bucket != timeless {
		factor := int64(widths[b.width] / widths[from])
		c.bucket = int32(floor(int64(c.bucket), factor)) //nolint:gosec // smaller than before
	}
	return c
}

func floor(n, by int64) int64 {
	if n < 0 {
		n -= by - 1
	}
	return n / by
}

func (b *Board) recount(change func(cell) cell) {
	cells := make(map[cell]int, len(b.cells))
	for c, requests := range b.cells {
		cells[change(c)] += requests
	}
	b.cells = cells
}
