// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// This file does what Microsoft's two queries do, clause by clause and without thought for memory, so that the reports can
// be held against them: learn.microsoft.com/entra/identity/conditional-access/deployment-guide-token-protection-apple,
// "Requests by application" and "Requests by user".

// queried is one row of the table after mv-expand, extend and the first summarize.
type queried struct {
	ID, User, App, Resource, Result string
	SelfRemediable                  bool
	Request                         int // which of the record's requests: the queries' tables have one row for each
}

// expanded runs the part that both queries share, up to their first `summarize by Id, ...`.
func expanded(t *testing.T, log []byte) map[queried]bool {
	t.Helper()
	rows := make(map[queried]bool)
	for line := range bytes.Lines(log) {
		var record Record
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatal(err)
		}
		if record.ConditionalAccessPolicies == "[]" { // where ConditionalAccessPolicies != "[]"
			continue
		}
		var policies []map[string]any // mv-expand todynamic(ConditionalAccessPolicies)
		if err := json.Unmarshal([]byte(record.ConditionalAccessPolicies), &policies); err != nil {
			t.Fatal(err)
		}
		for _, policy := range policies {
			enforced, unsatisfied := dynamic(policy["enforcedSessionControls"]), dynamic(policy["sessionControlsNotSatisfied"])
			if !contains(enforced, `["Binding"]`) && !contains(enforced, `["SignInTokenProtection"]`) ||
				policy["result"] == "reportOnlyNotApplied" || policy["result"] == "notApplied" {
				continue
			}
			result := "Allow"
			if contains(unsatisfied, "SignInTokenProtection") || contains(unsatisfied, "Binding") {
				result = "Block"
			}
			code := record.TokenProtectionStatusDetails.SignInSessionStatusCode
			app := record.AppDisplayName
			if app == "" {
				app = record.AppID
			}
			for request := range record.RequestCount {
				rows[queried{record.ID, record.UserPrincipalName, app, record.ResourceDisplayName, result,
					result == "Block" && (code == 1003 || code == 1004), request}] = true
			}
		}
	}
	return rows
}

// dynamic is how Kusto shows a dynamic value as text.
func dynamic(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// contains is Kusto's operator, which ignores letter case.
func contains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// requestsByApplication is `summarize ... by AppDisplayName` and what follows.
func requestsByApplication(rows map[queried]bool) (table []AppRow) {
	distinct := make(map[string]map[string]bool) // dcount, dcountif
	first := func(set, user string) int {
		if distinct[set] == nil {
			distinct[set] = make(map[string]bool)
		}
		if distinct[set][user] {
			return 0
		}
		distinct[set][user] = true
		return 1
	}
	for row := range rows {
		i := slices.IndexFunc(table, func(r AppRow) bool { return r.AppDisplayName == row.App })
		if i < 0 {
			i, table = len(table), append(table, AppRow{AppDisplayName: row.App})
		}
		r := &table[i]
		r.Requests++
		r.Users += first("all "+row.App, row.User)
		if row.Result == "Allow" {
			r.Allow++
		} else {
			r.Block++
			r.BlockedUsers += first("blocked "+row.App, row.User)
		}
		if row.SelfRemediable {
			r.BlockSelfRemediable++
			r.BlockedUsersSelfRemediable += first("remediable "+row.App, row.User)
		}
	}
	for i := range table {
		r := &table[i]
		r.PctAllowed = math.Round(100*100.0*float64(r.Allow)/float64(r.Allow+r.Block)) / 100
		r.PctEnforceable = math.Round(100*100.0*float64(r.Allow+r.BlockSelfRemediable)/float64(r.Allow+r.Block)) / 100
	}
	slices.SortFunc(table, func(a, b AppRow) int { return b.Requests - a.Requests })
	return table
}

// requestsByUser is `summarize ... by UserPrincipalName, AppDisplayName, ResourceDisplayName` and what follows.
func requestsByUser(rows map[queried]bool) map[[3]string]UserRow {
	table := make(map[[3]string]UserRow)
	for row := range rows {
		key := [3]string{row.User, row.App, row.Resource}
		r := table[key]
		r.UserPrincipalName, r.AppDisplayName, r.ResourceDisplayName = row.User, row.App, row.Resource
		r.Requests++
		if row.Result == "Allow" {
			r.Allow++
		} else {
			r.Block++
		}
		if row.SelfRemediable {
			r.BlockSelfRemediable++
		}
		table[key] = r
	}
	for key, r := range table {
		r.PctAllowed = math.Round(100*100.0*float64(r.Allow)/float64(r.Allow+r.Block)) / 100
		r.PctEnforceable = math.Round(100*100.0*float64(r.Allow+r.BlockSelfRemediable)/float64(r.Allow+r.Block)) / 100
		table[key] = r
	}
	return table
}

func TestReportsAreTheQueriesRowByRow(t *testing.T) {
	for seed := range uint64(5) {
		log := generated(t, 2000, seed)
		if seed == 1 { // as the logs before June 2023 say
			log = bytes.ReplaceAll(log, []byte(SessionControl), []byte("Binding"))
		}
		rows := expanded(t, log)
		report, err := summarise(bytes.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		apps := requestsByApplication(rows)
		if len(apps) != len(report.Apps) || len(apps) < 4 {
			t.Fatalf("%d apps, the query has %d", len(report.Apps), len(apps))
		}
		for i := range apps {
			if apps[i] != report.Apps[i] {
				t.Errorf("seed %d, app %d:\n got  %+v\n want %+v", seed, i, report.Apps[i], apps[i])
			}
		}
		users := requestsByUser(rows)
		if len(users) != len(report.Users) || len(users) < 300 {
			t.Fatalf("%d users, the query has %d", len(report.Users), len(users))
		}
		for i, got := range report.Users {
			if want := users[[3]string{got.UserPrincipalName, got.AppDisplayName, got.ResourceDisplayName}]; got != want {
				t.Errorf("seed %d, user %d:\n got  %+v\n want %+v", seed, i, got, want)
			}
			if i > 0 && report.Users[i-1].UserPrincipalName > got.UserPrincipalName {
				t.Errorf("user %d is out of order", i)
			}
		}
	}
}

// Filtering is the queries' own where clauses: what is filtered out of the log beforehand gives the same report.
func TestFilteredReportsAreReportsOfFilteredLogs(t *testing.T) {
	log := generated(t, 2000, 3)
	for name, test := range map[string]struct {
		filter Filter
		keep   func(*Record) bool
	}{
		"from":     {Filter{From: at(t, "2026-03-03T00:00:00Z")}, func(r *Record) bool { return r.TimeGenerated >= "2026-03-03" }},
		"to":       {Filter{To: at(t, "2026-03-03T00:00:00Z")}, func(r *Record) bool { return r.TimeGenerated < "2026-03-03" }},
		"resource": {Filter{Resources: []string{"office 365 exchange online"}}, func(r *Record) bool { return strings.Contains(r.ResourceDisplayName, "Exchange") }},
		"policy": {Filter{Policies: []string{"Pilot: hardware keys"}}, func(r *Record) bool {
			var rows []json.RawMessage
			_ = json.Unmarshal([]byte(r.ConditionalAccessPolicies), &rows)
			rows = slices.DeleteFunc(rows, func(row json.RawMessage) bool { return !bytes.Contains(row, []byte(`"p2"`)) })
			text, _ := json.Marshal(rows)
			r.ConditionalAccessPolicies = string(text)
			return true
		}},
	} {
		var kept []byte
		for line := range bytes.Lines(log) {
			var r Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			if test.keep(&r) {
				kept = append(kept, marshal(t, r)...)
			}
		}
		filtered := Summary{Filter: test.filter}
		if err := Read(bytes.NewReader(log), func(e *Entry) error { filtered.Add(e); return nil }); err != nil {
			t.Fatal(err)
		}
		want, err := summarise(bytes.NewReader(kept))
		if got := filtered.Report(); err != nil || len(got.Apps) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got  %+v\n want %+v", name, err, got.Apps, want.Apps)
		}
	}
}
