// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// visits are a user's bound requests, one a day from the first of March.
func visits(t testing.TB, user string, days, each int) (entries []Entry) {
	for day := range days {
		entries = append(entries, Entry{
			UserPrincipalName: user + "@contoso.example", UserID: "id-" + user, RequestCount: each,
			Time:                         at(t, fmt.Sprintf("2026-03-%02dT12:00:00Z", day+1)),
			TokenProtectionStatusDetails: StatusDetails{Bound, 0},
		})
	}
	return entries
}

func unboundVisit(e Entry, code int, details string) Entry {
	e.TokenProtectionStatusDetails, e.AdditionalDetails = StatusDetails{Unbound, code}, details
	return e
}

func TestKnownGoodUsersAreBoundOftenEnoughOnEnoughDays(t *testing.T) {
	for name, test := range map[string]struct {
		entries []Entry
		good    bool
	}{
		"enough":               {visits(t, "ana", 3, 4), true},
		"more":                 {visits(t, "ana", 5, 40), true},
		"too few requests":     {visits(t, "ana", 3, 3), false},
		"too few days":         {visits(t, "ana", 2, 50), false},
		"unbound once":         {append(visits(t, "ana", 5, 9), unboundVisit(visits(t, "ana", 1, 1)[0], 1008, "scheme_mismatch")), false},
		"without a user":       {[]Entry{{RequestCount: 100, TokenProtectionStatusDetails: StatusDetails{Bound, 0}}}, false},
		"days without a time":  {[]Entry{{UserID: "id", RequestCount: 100, TokenProtectionStatusDetails: StatusDetails{Bound, 0}}}, false},
		"bound but unsuitable": {append(visits(t, "ana", 5, 9), failing(visits(t, "ana", 1, 1)[0])), false},
	} {
		r := Readiness{MinRequests: 12, MinDays: 3}
		for i := range test.entries {
			r.Add(&test.entries[i])
		}
		if got := r.Report(); (len(got.KnownGood) == 1) != test.good {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func failing(e Entry) Entry {
	e.ConditionalAccessPolicies = []PolicyRow{{
		ID: "p", Result: PolicyReportOnlyFailure,
		EnforcedSessionControls: Controls{SessionControl}, SessionControlsNotSatisfied: Controls{SessionControl},
	}}
	return e
}

func TestADayFarAwayNeverCountsTwice(t *testing.T) {
	r := Readiness{MinDays: 2}
	for i := range 3 {
		e := visits(t, "ana", 1, 1)[0]
		e.Time = e.Time.AddDate(0, 0, i*MaxDays)
		r.Add(&e)
	}
	if got := r.Report(); len(got.KnownGood) != 0 || got.NotReady != 1 {
		t.Errorf("%+v", got)
	}
}

func TestNamedPoliciesNarrowReadinessToWhereTheyApplied(t *testing.T) {
	r := Readiness{Filter: Filter{Policies: []string{"P"}}, MinRequests: 1}
	elsewhere := unboundVisit(visits(t, "ana", 1, 1)[0], 1002, "token_unbound") // no policy applied
	here := visits(t, "ana", 1, 1)[0]
	here.ConditionalAccessPolicies = []PolicyRow{{ID: "p", Result: PolicySuccess, EnforcedSessionControls: Controls{SessionControl}}}
	r.Add(&elsewhere)
	r.Add(&here)
	if got := r.Report(); len(got.KnownGood) != 1 || len(got.Unbound) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestReadinessIsBoundedAndNeverFavoursWhomItCannotTrack(t *testing.T) {
	r := Readiness{MinRequests: 1, MaxUsers: 2}
	for i := range 5 {
		e := visits(t, fmt.Sprint(i), 1, 3)[0]
		r.Add(&e)
	}
	if got := r.Report(); len(got.KnownGood) != 2 || got.UntrackedRequests != 9 {
		t.Errorf("%+v", got)
	}
}

// readiness is a report with everything that its formats have to deal with.
func readiness(t testing.TB) ReadinessReport {
	r := Readiness{MinRequests: 2, MinDays: 2}
	entries := slices.Concat(visits(t, "ana", 3, 4), visits(t, "ben", 1, 1), visits(t, "=cmd|' /C calc'!A0", 2, 1), visits(t, "o'neil", 2, 5))
	hostile := visits(t, "x", 2, 2)
	for i := range hostile {
		hostile[i].UserPrincipalName, hostile[i].UserID = "eve\n}\nimport /etc/passwd {$HOME}", "{env.SECRET}"
	}
	entries = append(entries, hostile...)
	fallback := visits(t, "id", 2, 2)
	for i := range fallback {
		fallback[i].UserPrincipalName, fallback[i].UserID = "\"quoted\"@contoso.example", "8c1f-77"
	}
	entries = append(entries, fallback...)
	entries = append(entries,
		unboundVisit(visits(t, "cyd", 1, 7)[0], 1008, "scheme_mismatch"),
		unboundVisit(visits(t, "dan", 1, 2)[0], 1008, "scheme_mismatch"),
		unboundVisit(visits(t, "dan", 1, 3)[0], 1005, "nonce_missing: excused, one retry with a server nonce would have cured it"),
		unboundVisit(Entry{RequestCount: 5}, 1002, "credential_missing"),
	)
	for i := range entries {
		r.Add(&entries[i])
	}
	return r.Report()
}

func TestReadinessWritesCaddyfileCSVAndJSON(t *testing.T) {
	r := readiness(t)
	var caddyfile, csv, document bytes.Buffer
	if err := errors.Join(r.WriteCaddyfile(&caddyfile), r.WriteCSV(&csv), r.WriteJSON(&document)); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"known_good.caddyfile": caddyfile.Bytes(), "known_good.csv": csv.Bytes(), "known_good.json": document.Bytes()} {
		golden(t, name, got)
	}
	var back ReadinessReport
	if err := json.Unmarshal(document.Bytes(), &back); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%v:\n%s", err, &document)
	}
}

func TestNoNameBreaksOutOfItsCaddyfileToken(t *testing.T) {
	for name, want := range map[string]string{
		"ana@contoso.example": "ana@contoso.example", "Zoë": "Zoë", "a b": `"a b"`, "#x": `"#x"`, "o'neil": `"o'neil"`,
		"a\nb": "", "{$HOME}": "", "}": "", `a"b`: "", "a`b": "", `a\b`: "", "\u202ea": "", "": "", "a\xffb": "",
	} {
		if got, ok := caddyfileToken(name); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", name, got, ok)
		}
	}
}

func TestReadinessReturnsWriteErrors(t *testing.T) {
	r := readiness(t)
	if err := errors.Join(r.WriteCaddyfile(full{}), r.WriteCSV(full{}), r.WriteJSON(full{})); strings.Count(fmt.Sprint(err), errFull.Error()) != 3 {
		t.Error(err)
	}
}
