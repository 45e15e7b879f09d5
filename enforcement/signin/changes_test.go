// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// changes is a report with everything that its formats have to deal with. The change is what the entry's details say.
func changes(t testing.TB, maxRows int) ChangeReport {
	c := Changes{Filter: Filter{To: at(t, "2026-03-08T00:00:00Z")}, MaxRows: maxRows, Change: func(e *Entry) Change {
		return map[string]Change{
			"locked out":  {FateAllow, FateBlock, "Draft", false},
			"perhaps":     {FateAllow, FateBlock, "=Pilot", true},
			"reported":    {FateAllow, FateReportOnly, "Pilot", false},
			"let in":      {FateBlock, FateAllow, "", false},
			"on, now":     {FateReportOnly, FateBlock, "Draft", false},
			"":            {FateAllow, FateAllow, "", false},
			"still, else": {FateBlock, FateBlock, "Draft", true},
		}[e.AdditionalDetails]
	}}
	visited := func(user, resource, details string, days, each int) (entries []Entry) {
		entries = visits(t, user, days, each)
		for i := range entries {
			entries[i].ResourceDisplayName, entries[i].AdditionalDetails = resource, details
		}
		return entries
	}
	anonymous := Entry{RequestCount: 9, Time: at(t, "2026-03-01T00:00:00Z"), ResourceIdentity: "wiki", AdditionalDetails: "locked out"}
	for _, e := range slices.Concat(
		visited("ana", "Mail", "locked out", 2, 3), visited("ana", "Files", "locked out", 1, 1), visited("ana", "Mail", "perhaps", 3, 2),
		visited("=cmd|' /C calc'!A0", "Mail", "on, now", 1, 1), visited("ben", "Mail", "reported", 9, 1), visited("cyd\x1b[2J", "Mail", "let in", 1, 4),
		visited("dan", "Mail", "", 2, 50), visited("eve", "Mail", "still, else", 1, 5), []Entry{anonymous},
	) {
		c.Add(&e)
	}
	return c.Report()
}

func TestChangesCountWhoseOutcomeWouldBeAnother(t *testing.T) {
	r := changes(t, 0)
	if r.Requests != 6+1+6+1+7+4+100+5+9 || r.Changed != 34 || r.Uncertain != 11 || r.FoldedRequests != 0 {
		t.Errorf("%d requests, %d changed, %d uncertain, %d folded", r.Requests, r.Changed, r.Uncertain, r.FoldedRequests)
	}
	want := []ChangeTotal{
		{FateAllow, FateBlock, 2, 22, 6}, {FateReportOnly, FateBlock, 1, 1, 0}, {FateAllow, FateReportOnly, 1, 7, 0}, {FateBlock, FateAllow, 1, 4, 0},
	}
	if !slices.Equal(r.Totals, want) {
		t.Errorf("got  %+v\nwant %+v", r.Totals, want)
	}
	if first := r.Changes[0]; first.UserID != "id-ana" || first.Requests != 12 || first.Uncertain != 6 || first.Policy != "=Pilot" || stamp(first.LastSeen) != "2026-03-03T12:00:00Z" {
		t.Errorf("%+v", first)
	}
}

func TestChangesAreBounded(t *testing.T) {
	r := changes(t, 2)
	sum := 0
	for _, row := range r.Changes {
		sum += row.Requests
	}
	if len(r.Changes) != 2+4 || sum != r.Changed || r.FoldedRequests != r.Changed-12-1 {
		t.Errorf("%d rows of %d requests, %d changed, %d folded", len(r.Changes), sum, r.Changed, r.FoldedRequests)
	}
}

func TestChangesWriteTableCSVAndJSON(t *testing.T) {
	r := changes(t, 0)
	var table, csv, document bytes.Buffer
	if err := errors.Join(r.WriteTable(&table), r.WriteCSV(&csv), r.WriteJSON(&document)); err != nil {
		t.Fatal(err)
	}
	golden(t, "changes.txt", table.Bytes())
	golden(t, "changes.csv", csv.Bytes())
	golden(t, "changes.json", document.Bytes())
	var back ChangeReport
	if err := json.Unmarshal(document.Bytes(), &back); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%v:\n%s", err, &document)
	}
	var none bytes.Buffer
	if err := new(Changes).Report().WriteTable(&none); err != nil || none.String() != "0 of 0 requests would have another outcome.\n" {
		t.Errorf("%v, %q", err, &none)
	}
}

// Exports have no decision: the results of token protection policies say what became of the request.
func TestFateOfARecord(t *testing.T) {
	row := func(result string, controls ...string) PolicyRow {
		return PolicyRow{ID: "p", Result: result, SessionControlsNotSatisfied: controls}
	}
	for i, c := range []struct {
		decision string
		rows     []PolicyRow
		want     Fate
	}{
		{Allow, nil, FateAllow},
		{Block, nil, FateBlock},
		{Allow, []PolicyRow{row(PolicyReportOnlyFailure, SessionControl)}, FateReportOnly},
		{Block, []PolicyRow{row(PolicyReportOnlyFailure, SessionControl)}, FateBlock},
		{"", nil, FateAllow},
		{"", []PolicyRow{row(PolicyFailure, SessionControl)}, FateBlock},
		{"", []PolicyRow{row(PolicyFailure)}, FateAllow}, // for another control
		{"", []PolicyRow{row(PolicyReportOnlyFailure, "Binding")}, FateReportOnly},
		{"", []PolicyRow{row(PolicySuccess), row(PolicyFailure, SessionControl)}, FateBlock},
	} {
		if got := FateOf(&Entry{Decision: c.decision, ConditionalAccessPolicies: c.rows}); got != c.want {
			t.Errorf("%d: got %s, want %s", i, got, c.want)
		}
	}
}

// What is read of a log, by either reader, is what the record says.
func TestUserTypeIsReadFromALog(t *testing.T) {
	for _, line := range []string{`{"ConditionalAccessPolicies":"[]","UserType":"Guest"}`, `{"ConditionalAccessPolicies":"[]","usertype":"Guest"}`} {
		if err := Read(bytes.NewBufferString(line+"\n"), func(e *Entry) error {
			if e.UserType != Guest {
				return fmt.Errorf("%s: %q", line, e.UserType)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if e := (&Record{UserType: Guest}).Entry(); e.UserType != Guest {
		t.Errorf("%q", e.UserType)
	}
}

func TestEntriesAreThoseOfTheRecords(t *testing.T) {
	var entries Entries
	random := rand.New(rand.NewPCG(1, 0))
	for i := range 200 {
		r := randomRecord(random, i, at(t, "2026-03-01T00:00:00Z"))
		if i == 0 {
			r.ConditionalAccessPolicies = "not JSON"
		}
		if got, want := entries.Of(&r), r.Entry(); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	}
}
