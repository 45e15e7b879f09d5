// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// The time of the fixture's log.
var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// control is a policy's row.
func control(id, name, result string) signin.PolicyRow {
	row := signin.PolicyRow{ID: id, DisplayName: name, Result: result}
	switch result {
	case signin.PolicySuccess, signin.PolicyReportOnlySuccess:
		row.EnforcedSessionControls = signin.Controls{signin.SessionControl}
	case signin.PolicyFailure, signin.PolicyReportOnlyFailure:
		row.EnforcedSessionControls = signin.Controls{signin.SessionControl}
		row.SessionControlsNotSatisfied = row.EnforcedSessionControls
	}
	return row
}

// office is a log of n sign-ins over some days in an office whose pilot runs under one policy that is on, while another is
// in report-only state for everybody.
func office(n, users int, over time.Duration, seed uint64) []signin.Entry {
	random := rand.New(rand.NewPCG(seed, 1))
	entries := make([]signin.Entry, 0, n)
	for i := range n {
		user := int(float64(users) * random.Float64() * random.Float64())
		e := signin.Entry{
			Time: start.Add(over * time.Duration(i) / time.Duration(n)), CorrelationID: fmt.Sprintf("4f5c1c9e-6c55-4b2a-9d7c-%012d", i),
			UserPrincipalName: fmt.Sprintf("%s%d@contoso.example", []string{"ana", "ben", "cyd", "dan", "eve"}[user%5], user), UserID: fmt.Sprint("id-", user),
			AppID: fmt.Sprint("app-", user%3), AppDisplayName: []string{"Outlook", "Teams", ""}[user%3],
			ResourceDisplayName: []string{"Office 365 Exchange Online", "Office 365 SharePoint Online"}[random.IntN(2)],
			IPAddress:           fmt.Sprintf("203.0.%d.%d", user%17, user%250),
			ClientAppUsed:       []string{"mobileAppsAndDesktopClients", "browser", ""}[user%3],
			DeviceDetail:        signin.DeviceDetail{DeviceID: fmt.Sprint("device-", user), OperatingSystem: []string{"windows", "macOS", "iOS", ""}[user%4], IsCompliant: user%2 == 0, TrustType: []string{"AzureAD", "ServerAD", "Workplace", ""}[user%4]},
			Decision:            signin.Allow, ProofScheme: "dpop", RequestCount: 1 + random.IntN(9),
			TokenProtectionStatusDetails: signin.StatusDetails{SignInSessionStatus: signin.Bound},
		}
		pilot, all := signin.PolicySuccess, signin.PolicyReportOnlySuccess
		if user%11 == 3 || random.IntN(200) == 0 {
			code := []int{1002, 1003, 1004, 1005, 1008}[user%5]
			e.TokenProtectionStatusDetails = signin.StatusDetails{SignInSessionStatus: signin.Unbound, SignInSessionStatusCode: code}
			e.AdditionalDetails = []string{"token_unbound", "device_unknown", "hardware_key", "proof_time", "scheme_mismatch"}[user%5]
			e.ProofScheme, pilot, all = "", signin.PolicyFailure, signin.PolicyReportOnlyFailure
		}
		if user%4 != 0 {
			pilot = signin.PolicyNotApplied
		}
		if random.IntN(60) == 0 {
			e.UserPrincipalName, e.UserID, e.DeviceDetail = "", "", signin.DeviceDetail{}
			e.TokenProtectionStatusDetails = signin.StatusDetails{SignInSessionStatus: signin.Unbound, SignInSessionStatusCode: 1005}
			e.AdditionalDetails, pilot, all = "token_signature", signin.PolicyFailure, signin.PolicyReportOnlyFailure
		}
		if pilot == signin.PolicyFailure {
			e.Decision = signin.Block
		}
		if random.IntN(50) == 0 {
			all = signin.PolicyReportOnlyNotApplied
		}
		e.ConditionalAccessPolicies = []signin.PolicyRow{control("pilot", "Pilot: require token protection", pilot), control("everybody", "Require token protection for everybody", all)}
		entries = append(entries, e)
	}
	return entries
}

func boardOf(limits Limits, entries []signin.Entry) *Board {
	b := NewBoard(limits)
	for i := range entries {
		b.Add(&entries[i])
	}
	return b
}

// hostile are names that try to be something else.
var hostile = []string{
	`</script><script>window.pwned=1</script>`, `"><img src=x onerror="window.pwned=1">`, `<!--`, `]]>`, `javascript:window.pwned=1`,
	"{{.}}", "${window.pwned=1}", "`+window.pwned+`", "\u2028window.pwned=1", "a&b=c#d?e%20+f", "__proto__", "\x00\x1b[2J", "\u202egnp.exe", "=cmd|' /C calc'!A0",
}

// hostileLog has a hostile name in every place where a log has a name.
func hostileLog() (entries []signin.Entry) {
	for i, name := range hostile {
		entries = append(entries, signin.Entry{
			Time: start.Add(time.Duration(i) * time.Minute), UserPrincipalName: name, UserID: name, AppID: name, AppDisplayName: name,
			ResourceDisplayName: name, ResourceIdentity: name, IPAddress: name, ClientAppUsed: name, CorrelationID: name, ProofScheme: name, RequestCount: 1,
			DeviceDetail:      signin.DeviceDetail{DeviceID: name, DisplayName: name, OperatingSystem: name, TrustType: name},
			AdditionalDetails: name, TokenProtectionStatusDetails: signin.StatusDetails{SignInSessionStatus: signin.Unbound, SignInSessionStatusCode: 1005},
			ConditionalAccessPolicies: []signin.PolicyRow{control(name, name, signin.PolicyReportOnlyFailure)},
		})
	}
	return entries
}
