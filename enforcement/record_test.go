// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// Design, section 8: what a record says of a bound sign-in.
func TestRecordOfABoundSignIn(t *testing.T) {
	g := newRig(t, append(enforced(), rule("off", policy.Off)))
	d := g.allows(proven(), reason.None)
	got := g.last()
	if got.ID == "" || got.ID == got.CorrelationID {
		t.Errorf("id %q, correlation id %q", got.ID, got.CorrelationID)
	}
	got.ID = ""
	want := signin.Record{
		TimeGenerated: "2023-11-14T22:13:20.000Z", CorrelationID: d.CorrelationID(),
		UserPrincipalName: "ann@contoso.example", UserID: "id-of-ann", UserType: "Member", AppID: "outlook",
		ResourceIdentity: "app-of-exchange", ResourceDisplayName: "Exchange",
		IPAddress: "192.0.2.7", UserAgent: windows, ClientAppUsed: "mobileAppsAndDesktopClients",
		DeviceDetail: signin.DeviceDetail{DeviceID: "device-1", OperatingSystem: "windows"},
		ResultType:   "0", ConditionalAccessStatus: "success",
		ConditionalAccessPolicies: `[{"id":"enforced","displayName":"enforced","result":"success","enforcedGrantControls":[],` +
			`"enforcedSessionControls":["SignInTokenProtection"],"sessionControlsNotSatisfied":[],` +
			`"conditionsSatisfied":"application,users","conditionsNotSatisfied":"none"},` +
			`{"id":"off","displayName":"off","result":"notEnabled","enforcedGrantControls":[],` +
			`"enforcedSessionControls":[],"sessionControlsNotSatisfied":[],"conditionsSatisfied":"none","conditionsNotSatisfied":"none"}]`,
		TokenProtectionStatusDetails: signin.TokenProtectionStatusDetails{SignInSessionStatus: "bound"},
		UniqueTokenIdentifier:        "token-1",
		Decision:                     "allow", ProofScheme: "dpop", DeviceKeyThumbprint: laptop.key.Thumbprint.String(), RequestCount: 1,
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", must(json.Marshal(got)), must(json.Marshal(want)))
	}
}

// Each class of failure, in the words that differ.
func TestRecordsOfOtherSignIns(t *testing.T) {
	bound := mint()
	for name, c := range map[string]struct {
		request              *Request
		user, scheme, thumb  string
		status               string
		code                 int
		conditional, details string
	}{
		"no credential": {get(""), "", "", "", "unbound", 1002, "failure", "credential_missing"},
		"bad token":     {get("Bearer x"), "", "", "", "unbound", 1005, "failure", "token_malformed"},
		"unbound token": {get("Bearer " + mint(unbound)), "id-of-ann", "", "", "unbound", 1002, "failure", "token_unbound"},
		"no proof":      {get("DPoP " + bound), "id-of-ann", "", "", "unbound", 1008, "failure", "proof_missing"},
		"another key":   {get("DPoP "+bound, thief.prove(bound)), "id-of-ann", "", "", "unbound", 1005, "failure", "key_mismatch"},
		"another method": {get("DPoP "+bound, laptop.prove(bound, members{"htm": "PUT"})),
			"id-of-ann", "", laptop.key.Thumbprint.String(), "unbound", 1005, "failure", "proof_method"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced())
			if d := g.Enforce(c.request); d.Allow {
				t.Error("allowed")
			}
			got := g.last()
			if got.UserID != c.user || got.ProofScheme != c.scheme || got.DeviceKeyThumbprint != c.thumb ||
				got.TokenProtectionStatusDetails != (signin.TokenProtectionStatusDetails{SignInSessionStatus: c.status, SignInSessionStatusCode: c.code}) ||
				got.ConditionalAccessStatus != c.conditional || got.Status.AdditionalDetails != c.details {
				t.Errorf("%+v", got)
			}
		})
	}
	t.Run("guest, and a resource without an application id", func(t *testing.T) {
		g := newRig(t, reported(), func(s *setup) { s.Resource.AppID = "" })
		g.allows(get("Bearer "+mint(unbound, members{"acct": 1, "uti": "other-id"})), reason.TokenUnbound)
		if got := g.last(); got.UserType != "Guest" || got.ResourceIdentity != "exchange" || got.UniqueTokenIdentifier != "other-id" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a policy that does not apply", func(t *testing.T) {
		g := newRig(t, enforced(onlyBrowsers))
		g.allows(get("Bearer "+mint(unbound)), reason.TokenUnbound)
		if got := g.last().ConditionalAccessStatus; got != signin.StatusNotApplied {
			t.Errorf("conditional access status %q", got)
		}
	})
}

// Design, section 8: the first request of a kind is written at once, the
// following ones are counted.
func TestRequestsOfAKindAreWrittenOnce(t *testing.T) {
	hourly := func(s *setup) { s.interval = time.Hour }
	bound := mint()
	again := []struct {
		name string
		ask  func() *Request
	}{
		{"bound", func() *Request { return proven(members{"jti": signin.NewID()}) }},
		{"replay", func() *Request { return proven() }},
		{"another user", func() *Request { return get("Bearer " + mint(unbound, members{"oid": "bob"})) }},
		{"a user without an id", func() *Request { return get("Bearer " + mint(unbound, members{"oid": nil})) }},
		{"another app", func() *Request { return get("Bearer " + mint(unbound, members{"appid": "teams"})) }},
		{"another device", func() *Request { return get("Bearer " + mint(unbound, members{"deviceid": "device-2"})) }},
		{"another reason of the same code", func() *Request { return get("DPoP "+bound, laptop.prove(bound, members{"htm": "PUT"})) }},
		{"another address", func() *Request { r := get("Bearer x"); r.Address = "2001:db8::1"; return r }},
		{"no credential", func() *Request { return get("") }},
	}
	g := newRig(t, reported(), hourly)
	g.allows(proven(), reason.None) // for the replay
	before := len(g.records)
	for i, kind := range again {
		for j := range 3 {
			d := g.Enforce(kind.ask())
			if want := j == 0 && i > 0; d.Recorded != want { // the one for the replay was bound already
				t.Errorf("%s, request %d: recorded %v, want %v", kind.name, j+1, d.Recorded, want)
			}
		}
	}
	if got, want := len(g.records)-before, len(again)-1; got != want {
		t.Errorf("%d records, want %d", got, want)
	}
}

// What policies make of a request is part of its kind: the records of a user
// who moves between platforms do not hide each other.
func TestAnotherPolicyResultIsAnotherKind(t *testing.T) {
	g := newRig(t, reported(onlyWindows), func(s *setup) { s.interval = time.Hour })
	free := "Bearer " + mint(unbound)
	for i, want := range []bool{true, false} {
		if d := g.allows(get(free), reason.TokenUnbound); d.Recorded != want {
			t.Errorf("windows, request %d: recorded %v", i+1, d.Recorded)
		}
	}
	for i, want := range []bool{true, false} {
		if d := g.allows(asLinux(get(free)), reason.TokenUnbound); d.Recorded != want {
			t.Errorf("linux, request %d: recorded %v", i+1, d.Recorded)
		}
	}
}

// All combinations of two policies' results and conditions are told apart.
func TestSignatureTellsOutcomesApart(t *testing.T) {
	results := []policy.Result{
		policy.Success, policy.Failure, policy.NotApplied, policy.NotEnabled,
		policy.ReportOnlySuccess, policy.ReportOnlyFailure, policy.ReportOnlyNotApplied,
	}
	conditions := []policy.Conditions{
		0, policy.ConditionApplication, policy.ConditionUsers, policy.ConditionDevicePlatform, policy.ConditionClientType,
		policy.ConditionApplication | policy.ConditionUsers,
	}
	var single []policy.Outcome
	for _, result := range results {
		for _, satisfied := range conditions {
			for _, not := range conditions {
				single = append(single, policy.Outcome{Result: result, Satisfied: satisfied, NotSatisfied: not})
			}
		}
	}
	seen := map[uint64]int{signature(nil): -1}
	note := func(n int, outcomes ...policy.Outcome) {
		hash := signature(outcomes)
		if other, collides := seen[hash]; collides {
			t.Errorf("%d and %d have the same signature", other, n)
		}
		seen[hash] = n
	}
	for i, first := range single {
		note(i, first)
		for j, second := range single {
			note(1000*(i+1)+j, first, second)
		}
	}
}

// The correlation id is drawn once and stays.
func TestCorrelationID(t *testing.T) {
	d := newRig(t, nil, func(s *setup) { s.interval = time.Hour }).Enforce(get(""))
	if id := d.CorrelationID(); id == "" || id != d.CorrelationID() {
		t.Errorf("%q, then %q", id, d.CorrelationID())
	}
	var other Decision
	if other.CorrelationID() == d.CorrelationID() {
		t.Error("two requests have the same id")
	}
}
