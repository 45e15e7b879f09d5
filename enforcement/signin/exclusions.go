// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bufio"
	"io"
	"strconv"
	"time"
)

// Kinds of an Exclusion. Only those of users can be looked for in a log, which does not say who is in a group.
const (
	ExcludedUser  = "user"
	ExcludedGroup = "group"
	ExcludedRole  = "role"
	ExcludedGuest = "guests"
)

// An Exclusion is one that a policy makes.
type Exclusion struct {
	Policy string // its name
	Kind   string
	Name   string // as the policy has it: for users, an id or a name
	Until  string `json:",omitempty"` // when it ends, as the policy has it; empty if it does not
}

// An ExclusionRow says whether an exclusion is used.
type ExclusionRow struct {
	Exclusion
	Requests *int      // of the user, whatever the policy made of them; nil if the log cannot say
	LastSeen time.Time `json:",omitzero"`
}

// Use is the row in a word.
func (r *ExclusionRow) Use() string {
	switch {
	case r.Requests == nil:
		return "unknown"
	case *r.Requests == 0:
		return "unused"
	}
	return "used"
}

// Exclusions counts the use of exclusions. Its memory is that of the list it is made from.
type Exclusions struct {
	filter Filter
	rows   []ExclusionRow
	users  map[string][]int // rows by the user's id or name
}

// NewExclusions returns a count of these exclusions' use in the records that the filter selects.
func NewExclusions(list []Exclusion, filter Filter) *Exclusions {
	x := &Exclusions{filter: filter, rows: make([]ExclusionRow, len(list)), users: make(map[string][]int)}
	for i, exclusion := range list {
		x.rows[i].Exclusion = exclusion
		if exclusion.Kind == ExcludedUser {
			x.rows[i].Requests = new(int)
			x.users[exclusion.Name] = append(x.users[exclusion.Name], i)
		}
	}
	return x
}

// Add counts one entry. Names are compared as policies compare them, byte for byte.
func (x *Exclusions) Add(e *Entry) {
	if !x.filter.Selects(e) {
		return
	}
	x.count(e, e.UserID)
	if e.UserPrincipalName != e.UserID {
		x.count(e, e.UserPrincipalName)
	}
}

func (x *Exclusions) count(e *Entry, name string) {
	if name == "" {
		return
	}
	for _, i := range x.users[name] {
		row := &x.rows[i]
		*row.Requests += e.RequestCount
		if e.Time.After(row.LastSeen) {
			row.LastSeen = e.Time
		}
	}
}

// Report returns the rows, in the order of the list.
func (x *Exclusions) Report() ExclusionReport { return ExclusionReport{x.rows} }

// An ExclusionReport is the rows of [Exclusions].
type ExclusionReport struct{ Exclusions []ExclusionRow }

var exclusionColumns = []reportColumn[ExclusionRow]{
	text("Policy", func(r *ExclusionRow) string { return r.Policy }),
	text("Kind", func(r *ExclusionRow) string { return r.Kind }),
	text("Name", func(r *ExclusionRow) string { return r.Name }),
	text("Use", (*ExclusionRow).Use),
	{name: "Requests", number: true, value: (*ExclusionRow).requests},
	text("LastSeen", func(r *ExclusionRow) string { return stamp(r.LastSeen) }),
	text("Until", func(r *ExclusionRow) string { return r.Until }),
}

func (r *ExclusionRow) requests() string {
	if r.Requests == nil {
		return ""
	}
	return strconv.Itoa(*r.Requests)
}

// WriteTable prints the report as an aligned table.
func (r ExclusionReport) WriteTable(w io.Writer) error {
	b := bufio.NewWriter(w)
	printTable(b, exclusionColumns, r.Exclusions)
	return b.Flush()
}

// WriteJSON writes the report as one object {"Exclusions": [...]}.
func (r ExclusionReport) WriteJSON(w io.Writer) error {
	return writeJSON(w, r)
}

// WriteCSV writes the report as a CSV table (RFC 4180).
func (r ExclusionReport) WriteCSV(w io.Writer) error {
	return writeCSV(w, exclusionColumns, r.Exclusions)
}
