// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"cmp"
	"slices"
	"time"
)

// A Change is what other policies would have made of a sign-in, beside what became of it.
type Change struct {
	From, To Fate
	// Policy is the name of the policy that decides about To; empty if none does, or all do.
	Policy string
	// Uncertain says that To rests on what the log does not say, such as the user's groups.
	Uncertain bool
}

// A ChangeRow is the change for one user at one resource.
type ChangeRow struct {
	UserPrincipalName   string
	UserID              string `json:"UserId"`
	ResourceDisplayName string
	From, To            Fate
	Policy              string `json:",omitempty"` // decided about the newest of the requests
	Requests            int
	Uncertain           int       // of the requests: those where To rests on what the log does not say
	LastSeen            time.Time `json:",omitzero"`
}

// A ChangeTotal is the change in numbers.
type ChangeTotal struct {
	From, To  Fate
	Users     int // distinct; requests without a user count as one
	Requests  int
	Uncertain int
}

// A ChangeReport says whose outcome would be another.
type ChangeReport struct {
	Changes []ChangeRow   // sorted: the gravest first, then by requests, most first
	Totals  []ChangeTotal // in the same order
	// Requests is how many were looked at, Changed how many of them would have another outcome, Uncertain how many of them
	// all have an outcome that rests on what the log does not say.
	Requests, Changed, Uncertain int
	// FoldedRequests is how many requests are counted in rows of Others, because there were more users and resources than the
	// report tells apart. Counts of users are then lower bounds.
	FoldedRequests int `json:",omitempty"`
}

// Changes adds up changes. Its memory grows with the users whose outcome would change, and is bounded. The zero value is ready
// to use.
type Changes struct {
	Filter  Filter
	MaxRows int // 0 means MaxRows
	// Change says what would have become of a sign-in. Required.
	Change func(*Entry) Change

	rows   map[changeKey]*ChangeRow
	report ChangeReport
}

type changeKey struct {
	user, resource string
	from, to       Fate
	others         bool // no log can name it
}

// Add counts one entry, if the filter selects it.
func (c *Changes) Add(e *Entry) {
	if !c.Filter.Selects(e) {
		return
	}
	change := c.Change(e)
	c.report.Requests += e.RequestCount
	if change.Uncertain {
		c.report.Uncertain += e.RequestCount
	}
	if change.From == change.To {
		return
	}
	c.report.Changed += e.RequestCount
	row := c.row(e, change)
	row.Requests += e.RequestCount
	if change.Uncertain {
		row.Uncertain += e.RequestCount
	}
	if !e.Time.Before(row.LastSeen) {
		row.LastSeen, row.Policy = e.Time, change.Policy
	}
}

func (c *Changes) row(e *Entry, change Change) *ChangeRow {
	if c.rows == nil {
		c.rows = make(map[changeKey]*ChangeRow)
	}
	id, principal, resource := Clip(e.UserID, MaxName), Clip(e.UserPrincipalName, MaxName), Clip(cmp.Or(e.ResourceDisplayName, e.ResourceIdentity), MaxName)
	key := changeKey{user: cmp.Or(id, principal), resource: resource, from: change.From, to: change.To}
	row := c.rows[key]
	if row == nil && len(c.rows) >= cmp.Or(c.MaxRows, MaxRows) {
		id, principal, resource = "", Others, Others
		key = changeKey{from: change.From, to: change.To, others: true}
		row = c.rows[key]
	}
	if key.others {
		c.report.FoldedRequests += e.RequestCount
	}
	if row == nil {
		row = &ChangeRow{UserPrincipalName: principal, UserID: id, ResourceDisplayName: resource, From: change.From, To: change.To}
		c.rows[key] = row
	}
	return row
}

// Report returns what was counted so far.
func (c *Changes) Report() ChangeReport {
	r := c.report
	r.Changes, r.Totals = make([]ChangeRow, 0, len(c.rows)), []ChangeTotal{}
	totals := make(map[[2]Fate]*ChangeTotal)
	users := make(map[changeKey]bool)
	for key, row := range c.rows {
		r.Changes = append(r.Changes, *row)
		total := totals[[2]Fate{key.from, key.to}]
		if total == nil {
			total = &ChangeTotal{From: key.from, To: key.to}
			totals[[2]Fate{key.from, key.to}] = total
		}
		total.Requests += row.Requests
		total.Uncertain += row.Uncertain
		if key.resource = ""; !users[key] {
			users[key] = true
			total.Users++
		}
	}
	for _, total := range totals {
		r.Totals = append(r.Totals, *total)
	}
	slices.SortFunc(r.Totals, func(a, b ChangeTotal) int { return byGravity(a.From, a.To, b.From, b.To) })
	slices.SortFunc(r.Changes, func(a, b ChangeRow) int {
		return cmp.Or(byGravity(a.From, a.To, b.From, b.To), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.UserPrincipalName, b.UserPrincipalName),
			cmp.Compare(a.UserID, b.UserID), cmp.Compare(a.ResourceDisplayName, b.ResourceDisplayName))
	})
	return r
}

// byGravity puts the worst end first, and before others what comes the longest way to it.
func byGravity(from, to, otherFrom, otherTo Fate) int {
	return cmp.Or(cmp.Compare(gravity(otherTo), gravity(to)), cmp.Compare(gravity(from), gravity(otherFrom)))
}

func gravity(f Fate) int { return slices.Index([]Fate{FateAllow, FateReportOnly, FateBlock}, f) }
