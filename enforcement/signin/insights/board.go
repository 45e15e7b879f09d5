// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"cmp"
	"encoding/binary"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// Bounds of a board, if its Limits do not say otherwise.
const (
	DefaultCells   = 40000 // some 3 MB, and 2 MB of a written page
	DefaultDetails = 1000
)

// Limits bound a board's memory. Zero values mean the defaults.
type Limits struct {
	Cells   int // combinations of time, dimensions and results that are counted apart
	Details int // newest sign-ins that are kept one by one
}

// A Board counts sign-ins for the page. It is safe for concurrent use.
type Board struct {
	limits Limits

	mu         sync.Mutex
	names      [dimensions]dictionary
	policies   []policy
	policyOf   map[string]int
	results    [][]result // by signature
	signatures map[string]int
	cells      map[cell]int // requests
	width      int          // index of widths
	folded     detail       // what has been given up so far
	refused    []bool       // by number of the user, once folded.unrefused
	newest     details
	first      time.Time
	last       time.Time
	records    int
	requests   int
}

// A cell is one combination that is counted apart.
type cell struct {
	bucket    int32 // time in units of the board's width; timeless if the record has no time
	values    [dimensions]uint16
	signature uint16
}

const timeless = -1 << 31

// A dictionary numbers the values of a dimension; 0 stands for all that are not told apart.
type dictionary struct {
	names []string
	index map[string]uint16
	full  bool // there were more
}

// NewBoard returns an empty board.
func NewBoard(limits Limits) *Board {
	limits.Cells, limits.Details = cmp.Or(limits.Cells, DefaultCells), cmp.Or(limits.Details, DefaultDetails)
	b := &Board{
		limits: limits, policyOf: make(map[string]int), signatures: make(map[string]int),
		results: [][]result{nil}, cells: make(map[cell]int),
	}
	for i := range b.names {
		b.names[i] = dictionary{names: []string{others}, index: make(map[string]uint16)}
	}
	return b
}

// Add counts one entry and keeps nothing of it that the page does not show.
func (b *Board) Add(e *signin.Entry) {
	values := valuesOf(e)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records++
	b.requests += e.RequestCount
	signature := b.signature(e)
	c := cell{bucket: timeless, signature: signature}
	if !e.Time.IsZero() {
		c.bucket = bucketOf(e.Time, widths[b.width])
		if b.first.IsZero() || e.Time.Before(b.first) {
			b.first = e.Time
		}
		if e.Time.After(b.last) {
			b.last = e.Time
		}
	}
	for d, value := range values {
		c.values[d] = b.names[d].number(value, described[d].most)
	}
	b.count(b.fold(c), e.RequestCount)
	b.newest.add(e, values, signature, b.limits.Details)
}

// count adds to a cell, and makes room if there are too many.
func (b *Board) count(c cell, requests int) {
	if _, known := b.cells[c]; !known && len(b.cells) >= b.limits.Cells {
		width := b.width
		b.makeRoom()
		c = b.fold(b.rebucket(c, width))
		if len(b.cells) >= b.limits.Cells {
			c.values = [dimensions]uint16{}
		}
	}
	b.cells[c] += requests
}

func (d *dictionary) number(name string, most int) uint16 {
	n, known := d.index[name]
	if known {
		return n
	}
	if len(d.names) > most {
		d.full = true
		return 0
	}
	n = uint16(len(d.names)) //nolint:gosec // most fits
	d.names = append(d.names, name)
	d.index[name] = n
	return n
}

// signature numbers the combination of results that an entry has. Combinations beyond the limit count as no result.
func (b *Board) signature(e *signin.Entry) uint16 {
	var room [16]result
	results := room[:0]
	for i := range e.ConditionalAccessPolicies {
		row := &e.ConditionalAccessPolicies[i]
		if r, ok := resultOf(row); ok {
			if r.policy = b.policy(row); r.policy >= 0 {
				results = append(results, r)
				p := &b.policies[r.policy]
				p.on, p.reportOnly = p.on || !r.reportOnly, p.reportOnly || r.reportOnly
			}
		}
	}
	if len(results) == 0 {
		return 0
	}
	var keyRoom [64]byte
	key := keyRoom[:0]
	for _, r := range results {
		state := byte(r.outcome) << 1
		if r.reportOnly {
			state |= 1
		}
		key = append(binary.AppendUvarint(key, uint64(r.policy)), state) //nolint:gosec // not negative
	}
	if n, known := b.signatures[string(key)]; known {
		return uint16(n) //nolint:gosec // at most maxSignatures
	}
	if len(b.results) > maxSignatures {
		b.folded.signatures = true
		return 0
	}
	n := len(b.results)
	b.results = append(b.results, append([]result(nil), results...))
	b.signatures[string(key)] = n
	return uint16(n) //nolint:gosec // at most maxSignatures
}

// policy numbers a policy by its id; -1 beyond the limit.
func (b *Board) policy(row *signin.PolicyRow) int {
	id := signin.Clip(cmp.Or(row.ID, row.DisplayName), signin.MaxName)
	n, known := b.policyOf[id]
	switch {
	case known:
		b.policies[n].Name = signin.Clip(row.DisplayName, signin.MaxName)
		return n
	case len(b.policies) >= maxPolicies:
		b.folded.signatures = true
		return -1
	}
	b.policies = append(b.policies, policy{ID: id, Name: signin.Clip(row.DisplayName, signin.MaxName)})
	b.policyOf[id] = len(b.policies) - 1
	return len(b.policies) - 1
}
