// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// counted counts by looking at every entry, which is what the board's counts have to come to.
func counted(b *Board, entries []signin.Entry, q query) (tiles tally, breakdowns [dimensions]map[string]tally, timed int) {
	l, wanted := b.lens(q), q.outcome
	from, to := q.window(b.last)
	width := widths[b.width]
	if !from.IsZero() {
		from = from.Truncate(width)
	}
	if !to.IsZero() {
		to = to.Add(-1).Truncate(width).Add(width)
	}
	for d := range breakdowns {
		breakdowns[d] = make(map[string]tally)
	}
	for i := range entries {
		e := &entries[i]
		if !from.IsZero() && e.Time.Before(from) || !to.IsZero() && !e.Time.Before(to) {
			continue
		}
		o := notApplied
		for _, row := range e.ConditionalAccessPolicies {
			reportOnly := strings.HasPrefix(row.Result, "reportOnly")
			if l.policy >= 0 && row.ID != b.policies[l.policy].ID || l.state == "on" && reportOnly || l.state == "report_only" && !reportOnly {
				continue
			}
			switch {
			case strings.HasSuffix(strings.ToLower(row.Result), "failure"):
				o = failure
			case strings.HasSuffix(strings.ToLower(row.Result), "success") && o != failure:
				o = success
			}
		}
		missed := map[int]bool{}
		values := valuesOf(e)
		for d, asked := range q.values {
			if !fits(d, asked, values[d]) {
				missed[d] = true
			}
		}
		if len(missed) == 0 {
			tiles.add(o, e.RequestCount)
		}
		if wanted != anyOutcome && o != wanted {
			continue
		}
		for d, value := range values {
			if len(missed) == 0 || len(missed) == 1 && missed[d] {
				t := breakdowns[d][value]
				t.add(o, e.RequestCount)
				breakdowns[d][value] = t
			}
		}
		if len(missed) == 0 {
			timed += e.RequestCount
		}
	}
	return tiles, breakdowns, timed
}

// queries are those that tests ask, on the page and by hand.
var queries = []string{
	"", "policy=on", "policy=report_only", "policy=id%3Apilot", "policy=id%3Aeverybody&outcome=failure", "policy=id%3Anone", "outcome=success", "outcome=failure",
	"outcome=not_applied", "range=1h", "range=24h&outcome=failure", "from=2026-03-02T09%3A30&to=2026-03-03T11%3A00", "user=ANA", "user=ben1%40contoso.example",
	"user=nobody", "app=Outlook", "app=Outlook&reason=1008+scheme_mismatch", "device=Compliant&platform=windows", "client=Browser&resource=Office+365+Exchange+Online",
	"network=203.0.3.0%2F24&policy=on", "user=eve&outcome=failure&policy=report_only&range=7d", "search=device-3", "search=4f5c1c9e-6c55-4b2a-9d7c-000000000123", "search=PROOF_TIME&outcome=failure",
}

func TestCountsAreThoseOfTheEntries(t *testing.T) {
	entries := office(5000, 60, 4*24*time.Hour, 1)
	b := boardOf(Limits{}, entries)
	for _, text := range queries {
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		q := parseQuery(values)
		got := b.counts(q)
		tiles, breakdowns, timed := counted(b, entries, q)
		if got.tiles != tiles {
			t.Errorf("%s: tiles %v, want %v", text, got.tiles, tiles)
		}
		for d := range breakdowns {
			for n, got := range got.values[d] {
				if want := breakdowns[d][b.names[d].names[n]]; got != want {
					t.Errorf("%s: %s %s: %v, want %v", text, described[d].param, b.names[d].names[n], got, want)
				}
			}
		}
		shown := 0
		for _, bucket := range got.buckets {
			shown += bucket[anyOutcome]
		}
		if shown != timed {
			t.Errorf("%s: %d requests over time, want %d", text, shown, timed)
		}
	}
}

func TestLockoutIsWhomReportOnlyPoliciesWouldRefuseAndNobodyElse(t *testing.T) {
	entry := func(user string, requests, code int, rows ...signin.PolicyRow) signin.Entry {
		return signin.Entry{UserPrincipalName: user, RequestCount: requests, Time: start, ConditionalAccessPolicies: rows,
			TokenProtectionStatusDetails: signin.StatusDetails{SignInSessionStatus: signin.Unbound, SignInSessionStatusCode: code}, AdditionalDetails: "why"}
	}
	on := func(result string) signin.PolicyRow { return control("on", "On", result) }
	draft := func(result string) signin.PolicyRow { return control("draft", "Draft", result) }
	b := boardOf(Limits{}, []signin.Entry{
		entry("ana", 5, 1003, draft(signin.PolicyReportOnlyFailure)),
		entry("ana", 2, 1003, on(signin.PolicySuccess), draft(signin.PolicyReportOnlyFailure)),
		entry("ana", 9, 0, draft(signin.PolicyReportOnlySuccess)),
		entry("ben", 3, 1008, on(signin.PolicyFailure), draft(signin.PolicyReportOnlyFailure)), // refused already
		entry("cyd", 1, 1008, on(signin.PolicyNotApplied), draft(signin.PolicyReportOnlyNotApplied)),
		entry("", 4, 1005, draft(signin.PolicyReportOnlyFailure)),
	})
	for policy, want := range map[string]struct{ title, says string }{
		"id:draft":    {"What if “Draft” were on?", "It would lock out 1 user: 11 requests that get through today would be refused. 1 user can cure it by registering the device anew (1003, 1004). 4 requests of these came without a valid token. 3 requests more are refused already, by a policy that is on."},
		"report_only": {"What if the report-only policies were on?", "It would lock out 1 user: 11 requests"},
		"":            {"What if the report-only policies were on?", "It would lock out 1 user: 11 requests"},
		"on":          {"What the policies that are on refuse", "3 requests of 1 user."},
		"id:on":       {"What “On” refuses", "3 requests of 1 user."},
	} {
		v := b.view(query{policy: policy}, "?").Banner
		if v.Title != want.title || !strings.HasPrefix(v.Says, want.says) || v.Quiet || len(v.Locked) != 1 {
			t.Errorf("%s: %+v", policy, v)
		}
	}
	quiet := b.view(query{policy: "id:draft", values: [dimensions]string{byUser: "cyd"}}, "?").Banner
	if !quiet.Quiet || quiet.Says != "Nobody who gets through today would be locked out." {
		t.Errorf("%+v", quiet)
	}
}

// However many users, networks, hours and policies a log has, the board stays within its limits, counts every request and
// says what it gave up.
func TestABoardStaysWithinItsLimits(t *testing.T) {
	const cells = 500
	b := NewBoard(Limits{Cells: cells, Details: 50})
	requests := 0
	for i, e := range office(60000, 6000, 400*24*time.Hour, 2) {
		e.IPAddress = fmt.Sprintf("2001:db8:%x::1", i)
		e.AppDisplayName = fmt.Sprint("app ", i%400)
		e.ConditionalAccessPolicies[0].ID = fmt.Sprint("policy ", i%100)
		if i%1000 == 0 {
			e.Time = time.Time{}
		}
		b.Add(&e)
		requests += e.RequestCount
		if len(b.cells) > 2*cells || len(b.newest.visits) > 50 {
			t.Fatalf("%d cells, %d visits after %d", len(b.cells), len(b.newest.visits), i)
		}
	}
	v := b.view(query{}, "?")
	if v.Tiles[0].Count != number(requests) || v.Requests != number(requests) {
		t.Errorf("%s of %d requests", v.Tiles[0].Count, requests)
	}
	if len(v.Notes) < 4 || len(v.Trend.Bars) > mostBars {
		t.Errorf("notes %q, %d bars", v.Notes, len(v.Trend.Bars))
	}
	if n := len(b.results); n > maxSignatures+1 || len(b.policies) > maxPolicies {
		t.Errorf("%d signatures, %d policies", n, len(b.policies))
	}
}

// Users who would be locked out stay known by name while those that nobody refuses are counted together.
func TestRefusedUsersAreTheLastToBeCountedTogether(t *testing.T) {
	entries := office(20000, 900, 30*24*time.Hour, 3)
	want := boardOf(Limits{}, entries).view(query{policy: "id:everybody"}, "?").Banner
	b := boardOf(Limits{Cells: 6000}, entries)
	got := b.view(query{policy: "id:everybody"}, "?").Banner
	if !b.folded.networks || !b.folded.unrefused || b.folded.users || got.Says != want.Says || len(got.Locked) != mostLocked {
		t.Errorf("%+v: got %s, want %s", b.folded, got.Says, want.Says)
	}
}

func TestDetailsAreTheNewestInWhateverOrderTheyCome(t *testing.T) {
	entries := office(300, 20, 24*time.Hour, 4)
	for i := range entries {
		j := (i * 7) % len(entries)
		entries[i], entries[j] = entries[j], entries[i]
	}
	b := boardOf(Limits{Details: 10}, entries)
	v := b.view(query{}, "?")
	if len(v.Visits) != 10 || v.VisitsSay != "10 of the newest 10 sign-ins fit; older ones, of 300 in all, are only counted." {
		t.Fatalf("%d visits: %s", len(v.Visits), v.VisitsSay)
	}
	newest := start.Add(24 * time.Hour * 299 / 300)
	for i, visit := range v.Visits {
		if want := shownTime(newest.Add(-time.Duration(i) * 24 * time.Hour / 300)); visit.Time != want {
			t.Errorf("visit %d is of %s, want %s", i, visit.Time, want)
		}
	}
}

func TestFactsOfEntries(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.7": "203.0.113.0/24", "::ffff:203.0.113.7": "203.0.113.0/24", "2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48", "": unknown, "x": unknown,
	} {
		if got := network(address); got != want {
			t.Errorf("network of %q is %q, want %q", address, got, want)
		}
	}
	for want, device := range map[string]signin.DeviceDetail{
		"No device": {}, "Named in the token": {DeviceID: "d"}, "Compliant": {IsCompliant: true, TrustType: "ServerAD"}, "Hybrid joined": {TrustType: "Hybrid Azure AD joined", IsManaged: true},
		"Managed": {IsManaged: true, TrustType: "AzureAD"}, "Joined": {TrustType: "azuread"}, "Registered": {TrustType: "Workplace", DeviceID: "d"},
	} {
		if got := deviceState(&device); got != want {
			t.Errorf("%+v is %q, want %q", device, got, want)
		}
	}
	for want, e := range map[string]signin.Entry{
		"0 bound":            {AdditionalDetails: "nonce_missing: excused"},
		"1005 nonce_missing": {AdditionalDetails: "nonce_missing: x", TokenProtectionStatusDetails: signin.StatusDetails{SignInSessionStatusCode: 1005}},
		"1002":               {TokenProtectionStatusDetails: signin.StatusDetails{SignInSessionStatusCode: 1002}},
	} {
		if got := reasonOf(&e); got != want {
			t.Errorf("%+v is %q, want %q", e, got, want)
		}
	}
}

func TestAMillionSignIns(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	b := NewBoard(Limits{})
	entries := office(50000, 3000, 30*24*time.Hour, 5)
	for round := range 20 {
		for i := range entries {
			e := entries[i]
			e.Time = e.Time.Add(time.Duration(round) * time.Second)
			b.Add(&e)
		}
	}
	var page strings.Builder
	if err := b.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	if len(b.cells) > DefaultCells || page.Len() > 6<<20 || !strings.Contains(page.String(), "in 1,000,000 sign-in records") {
		t.Errorf("%d cells, a page of %d bytes", len(b.cells), page.Len())
	}
	t.Logf("%d cells in units of %s, a page of %d bytes", len(b.cells), widths[b.width], page.Len())
}

func BenchmarkAdd(b *testing.B) {
	entries := office(50000, 3000, 30*24*time.Hour, 5)
	board := NewBoard(Limits{})
	i := 0
	for b.Loop() {
		board.Add(&entries[i%len(entries)])
		i++
	}
}

func BenchmarkView(b *testing.B) {
	board := boardOf(Limits{}, office(100000, 3000, 30*24*time.Hour, 5))
	b.Logf("%d cells", len(board.cells))
	for b.Loop() {
		board.view(query{outcome: failure}, "?")
	}
}

// What the page links to is among the parameters, and every parameter has an effect on the query.
func TestParametersAreThoseOfTheQuery(t *testing.T) {
	values := make(url.Values)
	for _, name := range Parameters() {
		if values.Has(name) {
			t.Errorf("%s is given twice", name)
		}
		values.Set(name, map[string]string{"outcome": "failure", "range": "1h", "from": "2026-03-01T00:00", "to": "2026-03-02T00:00"}[name])
		if values.Get(name) == "" {
			values.Set(name, "on")
		}
	}
	if got := parseQuery(values).encode(); got != values.Encode() {
		t.Errorf("got  %s\nwant %s", got, values.Encode())
	}
}
