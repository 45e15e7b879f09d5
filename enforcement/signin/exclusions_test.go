// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"errors"
	"testing"
)

// exclusions is a report over one week of a log.
func exclusions(t *testing.T) ExclusionReport {
	x := NewExclusions([]Exclusion{
		{Policy: "Everybody", Kind: ExcludedUser, Name: "id-glass"},
		{Policy: "Everybody", Kind: ExcludedUser, Name: "ana@contoso.example", Until: "2026-12-31"},
		{Policy: "Everybody", Kind: ExcludedUser, Name: "Ben@contoso.example"},
		{Policy: "Everybody", Kind: ExcludedGroup, Name: "break-glass"},
		{Policy: "=Pilot", Kind: ExcludedGuest, Name: ""},
		{Policy: "=Pilot", Kind: ExcludedUser, Name: "id-glass"},
		{Policy: "=Pilot", Kind: ExcludedUser, Name: "same"},
	}, Filter{To: at(t, "2026-03-08T00:00:00Z")})
	entries := append(visits(t, "glass", 2, 3), visits(t, "ana", 9, 1)...)
	entries = append(entries, visits(t, "ben", 1, 5)...)
	entries = append(entries, Entry{UserID: "same", UserPrincipalName: "same", RequestCount: 4}, Entry{RequestCount: 9})
	for i := range entries {
		if entries[i].Time.IsZero() {
			entries[i].Time = at(t, "2026-03-01T00:00:00Z")
		}
		x.Add(&entries[i])
	}
	return x.Report()
}

func TestExclusionsAreUsedByIDOrExactName(t *testing.T) {
	rows := exclusions(t).Exclusions
	for i, want := range []struct {
		use      string
		requests string
		last     string
	}{
		{"used", "6", "2026-03-02T12:00:00Z"},
		{"used", "7", "2026-03-07T12:00:00Z"}, // until the filter's end
		{"unused", "0", ""},                   // policies tell letter case apart
		{"unknown", "", ""},
		{"unknown", "", ""},
		{"used", "6", "2026-03-02T12:00:00Z"},
		{"used", "4", "2026-03-01T00:00:00Z"}, // once, though id and name are the same
	} {
		if got := rows[i]; got.Use() != want.use || got.requests() != want.requests || stamp(got.LastSeen) != want.last {
			t.Errorf("row %d: %s %s %s, want %+v", i, got.Use(), got.requests(), stamp(got.LastSeen), want)
		}
	}
}

func TestExclusionsWriteTableCSVAndJSON(t *testing.T) {
	r := exclusions(t)
	var table, csv, document bytes.Buffer
	if err := errors.Join(r.WriteTable(&table), r.WriteCSV(&csv), r.WriteJSON(&document)); err != nil {
		t.Fatal(err)
	}
	golden(t, "exclusions.txt", table.Bytes())
	golden(t, "exclusions.csv", csv.Bytes())
	golden(t, "exclusions.json", document.Bytes())
	for _, write := range []error{r.WriteTable(full{}), r.WriteCSV(full{}), r.WriteJSON(full{})} {
		if !errors.Is(write, errFull) {
			t.Error(write)
		}
	}
}
