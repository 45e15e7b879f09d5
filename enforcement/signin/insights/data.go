// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// embedded is what the page's script works on. Numbers are indices where they can be.
type embedded struct {
	Width      int64               `json:"width"`  // seconds of a unit of time
	Widths     []int64             `json:"widths"` // all of them
	Last       int64               `json:"last"`   // the newest sign-in, in milliseconds
	Dimensions []embeddedDimension `json:"dimensions"`
	Policies   []embeddedPolicy    `json:"policies"`
	Results    [][][3]int          `json:"results"` // by signature: policy, outcome, report-only
	Cells      []int               `json:"cells"`   // time, dimensions, signature and requests, one cell after the other
	Visits     []embeddedVisit     `json:"visits"`
	Read       int                 `json:"read"` // visits in all
	Meanings   map[string]string   `json:"meanings"`
}

type embeddedDimension struct {
	Param string   `json:"param"`
	Title string   `json:"title"`
	Names []string `json:"names"`
}

type embeddedPolicy struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Label string `json:"label"`
}

type embeddedVisit struct {
	Time     int64              `json:"t"` // in milliseconds, 0 if it is not known
	Values   [dimensions]string `json:"v"`
	Rest     [4]string          `json:"r"` // address, device, scheme, correlation id
	Requests int                `json:"n"`
	Results  int                `json:"s"`
}

// data is the embedded counts as JSON that is safe inside a script element: encoding/json escapes <, > and &.
func (b *Board) data() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := embedded{Width: int64(widths[b.width] / time.Second), Read: b.newest.read, Meanings: make(map[string]string)}
	for _, w := range widths[b.width:] {
		e.Widths = append(e.Widths, int64(w/time.Second))
	}
	if !b.last.IsZero() {
		e.Last = b.last.UnixMilli()
	}
	for d := range described {
		e.Dimensions = append(e.Dimensions, embeddedDimension{described[d].param, described[d].title, b.names[d].names})
	}
	for _, reason := range b.names[byReason].names {
		if words := meaning(reason); words != "" {
			e.Meanings[reason] = words
		}
	}
	for i := range b.policies {
		p := &b.policies[i]
		e.Policies = append(e.Policies, embeddedPolicy{p.ID, p.name(), p.name() + " (" + p.state() + ")"})
	}
	for _, results := range b.results {
		list := make([][3]int, 0, len(results))
		for _, r := range results {
			reportOnly := 0
			if r.reportOnly {
				reportOnly = 1
			}
			list = append(list, [3]int{r.policy, int(r.outcome), reportOnly})
		}
		e.Results = append(e.Results, list)
	}
	for _, c := range b.sorted() {
		e.Cells = append(e.Cells, int(c.bucket))
		for _, value := range c.values {
			e.Cells = append(e.Cells, int(value))
		}
		e.Cells = append(e.Cells, int(c.signature), b.cells[c])
	}
	for _, v := range b.newest.newestFirst() {
		when := int64(0)
		if !v.time.IsZero() {
			when = v.time.UnixMilli()
		}
		e.Visits = append(e.Visits, embeddedVisit{when, v.values, [4]string{v.address, v.device, v.scheme, v.correlation}, v.requests, int(v.signature)})
	}
	return json.Marshal(e)
}

// sorted returns the cells in an order of their own, so that the same log gives the same page.
func (b *Board) sorted() []cell {
	return slices.SortedFunc(maps.Keys(b.cells), func(x, y cell) int {
		return cmp.Or(cmp.Compare(x.bucket, y.bucket), slices.Compare(x.values[:], y.values[:]), cmp.Compare(x.signature, y.signature))
	})
}
