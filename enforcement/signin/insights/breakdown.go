// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"cmp"
	"fmt"
	"slices"
)

// A breakdown lists a dimension's values.
type breakdown struct {
	Param, Title string
	Rows, More   []breakdownRow
	MoreSays     string
}

type breakdownRow struct {
	Label, Title, Href        string
	Count, Failures           string
	Success, Failure, Neither float64 // widths of the bar's parts, of 100
	SuccessAt, NeitherAt      float64
	Selected                  bool
}

// breakdown lists a dimension's values, those with most requests first.
func (b *Board) breakdown(d int, tallies []tally, q query, link string) breakdown {
	var order []int
	for n := range tallies {
		if tallies[n][anyOutcome] > 0 {
			order = append(order, n)
		}
	}
	names := b.names[d].names
	slices.SortFunc(order, func(x, y int) int {
		if d == byUser { // whom policies refuse is what one looks for
			if c := cmp.Compare(tallies[y][failure], tallies[x][failure]); c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(tallies[y][anyOutcome], tallies[x][anyOutcome]), cmp.Compare(names[x], names[y]))
	})
	widest := 1
	for _, n := range order {
		widest = max(widest, tallies[n][anyOutcome])
	}
	list := breakdown{Param: described[d].param, Title: described[d].title}
	for i, n := range order[:min(len(order), mostRows)] {
		r := breakdownRowOf(names[n], tallies[n], widest)
		r.Selected = q.values[d] == names[n]
		r.Href = link + q.toggled(d, names[n]).encode()
		if d == byReason {
			r.Title = meaning(names[n])
		}
		if i < shownRows {
			list.Rows = append(list.Rows, r)
		} else {
			list.More = append(list.More, r)
		}
	}
	if more := len(order) - shownRows; more > 0 {
		list.MoreSays = number(more) + " more"
		if len(order) > mostRows {
			list.MoreSays += fmt.Sprintf(", the first %d of them", mostRows-shownRows)
		}
	}
	return list
}

func breakdownRowOf(name string, t tally, widest int) breakdownRow {
	part := func(n int) float64 { return float64(n*1000/widest) / 10 }
	r := breakdownRow{Label: name, Count: number(t[anyOutcome]), Failure: part(t[failure]), Success: part(t[success]), Neither: part(t[notApplied])}
	if t[failure] > 0 {
		r.Failures = number(t[failure]) + " failed"
	}
	r.SuccessAt = r.Failure
	r.NeitherAt = r.Failure + r.Success
	return r
}
