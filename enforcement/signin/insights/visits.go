// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"fmt"
	"strings"
	"time"
)

// A row is a visit as the page lists it.
type row struct {
	Time, User, App, Resource, Address, Platform, Client, Device, DeviceName string
	Outcome, OutcomeClass, Reason, Meaning, Scheme, Requests, Correlation    string
}

// visits lists the newest sign-ins that fit, and says how many that is of how many.
func (b *Board) visits(q query) (list []row, says string) {
	l := b.lens(q)
	from, to := q.window(b.last)
	fitting := 0
	for _, v := range b.newest.newestFirst() {
		o := l.outcome(b.results[v.signature])
		if !v.fits(q, o, from, to) {
			continue
		}
		if fitting++; fitting <= mostVisits {
			list = append(list, v.row(o))
		}
	}
	says = fmt.Sprintf("%s of the newest %s sign-ins fit", number(fitting), number(len(b.newest.visits)))
	if b.newest.read > len(b.newest.visits) {
		says += fmt.Sprintf("; older ones, of %s in all, are only counted", number(b.newest.read))
	}
	if fitting > mostVisits {
		says += fmt.Sprintf("; the first %d are listed", mostVisits)
	}
	return list, says + "."
}

func (v *visit) fits(q query, o outcome, from, to time.Time) bool {
	if q.outcome != anyOutcome && o != q.outcome || !from.IsZero() && v.time.Before(from) || !to.IsZero() && !v.time.Before(to) {
		return false
	}
	for d, asked := range q.values {
		if !fits(d, asked, v.values[d]) {
			return false
		}
	}
	return q.search == "" || strings.Contains(v.searchable(), strings.ToLower(q.search))
}

// searchable is the text in which a search looks.
func (v *visit) searchable() string {
	return strings.ToLower(strings.Join(append(v.values[:], v.address, v.device, v.scheme, v.correlation), "\n"))
}

func (v *visit) row(o outcome) row {
	return row{
		Time: shownTime(v.time), User: v.values[byUser], App: v.values[byApp], Resource: v.values[byResource], Address: v.address,
		Platform: v.values[byPlatform], Client: v.values[byClient], Device: v.values[byDevice], DeviceName: v.device,
		Outcome: outcomeLabels[o], OutcomeClass: outcomeClasses[o], Reason: v.values[byReason], Meaning: meaning(v.values[byReason]),
		Scheme: v.scheme, Requests: plural(v.requests, "request"), Correlation: v.correlation,
	}
}
