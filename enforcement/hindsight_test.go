// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"slices"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// hindsight judges by the policies over the rig's resource.
func hindsight(t testing.TB, policies []policy.Policy) Hindsight {
	t.Helper()
	return Hindsight{compile(t, policies).WithResources([]policy.Resource{{Name: "exchange", DisplayName: "Exchange", AppID: "app-of-exchange"}})}
}

// fromBestToWorst orders fates.
var fromBestToWorst = []signin.Fate{signin.FateAllow, signin.FateReportOnly, signin.FateBlock}

// knowsAll says that a log has every fact that the policies ask for.
func knowsAll(policies []policy.Policy) bool {
	return !slices.ContainsFunc(policies, func(p policy.Policy) bool {
		return p.Conditions.Users.IncludeGroups != nil || p.Conditions.Users.ExcludeGroups != nil || p.TokenProtection.RequireHardwareKey
	})
}

// Law: judged again by the policies that it was judged by, a request has the outcome that it had, unless that rests on what
// the record does not say; then it is never better, and said to be uncertain.
func TestTheSamePoliciesChangeNothingInHindsight(t *testing.T) {
	for name, nonces := range map[string]bool{"without nonces": false, "with nonces": true} {
		t.Run(name, func(t *testing.T) {
			w, g := world{t, newRig(t, nil, func(s *setup) { s.requireNonce = nonces })}, newGenerator(5)
			seen := map[signin.Fate]int{}
			for range 3 * trials {
				policies := g.policies()
				d := w.judge(policies, g.request()(), g.IntN(3) == 0)
				record := w.template.last()
				change := hindsight(t, policies).Change(record.Entry())
				seen[change.From]++
				from, to := slices.Index(fromBestToWorst, change.From), slices.Index(fromBestToWorst, change.To)
				if to < from || to > from && !change.Uncertain || to != from && knowsAll(policies) {
					t.Errorf("%+v\nallow %v, bound %v, %q, %v: %+v", policies, d.Allow, d.Bound, d.Reason, outcomes(d), change)
				}
			}
			for _, fate := range fromBestToWorst {
				if seen[fate] < trials/20 {
					t.Errorf("%v: the sign-ins are too much alike", seen)
				}
			}
		})
	}
}

// entry is an unbound sign-in of Ann's that was allowed.
func entry(edits ...func(*signin.Entry)) *signin.Entry {
	e := &signin.Entry{
		Time: noon, UserID: "id-of-ann", UserPrincipalName: "ann@contoso.example", UserType: signin.Member, AppID: "outlook",
		ResourceIdentity: "app-of-exchange", IPAddress: "192.0.2.7", ClientAppUsed: "mobileAppsAndDesktopClients",
		DeviceDetail: signin.DeviceDetail{OperatingSystem: "Windows 10.0.22631"}, Decision: signin.Allow, RequestCount: 1,
		TokenProtectionStatusDetails: signin.StatusDetails{SignInSessionStatus: signin.Unbound, SignInSessionStatusCode: 1002},
		AdditionalDetails:            "token_unbound",
	}
	for _, edit := range edits {
		edit(e)
	}
	return e
}

func bound(e *signin.Entry) {
	e.TokenProtectionStatusDetails, e.AdditionalDetails = signin.StatusDetails{SignInSessionStatus: signin.Bound}, ""
}
func detailed(text string) func(*signin.Entry) {
	return func(e *signin.Entry) { e.AdditionalDetails = text }
}
func nobody(e *signin.Entry) { e.UserID, e.UserPrincipalName, e.AppID = "", "", "" }

func including(edit func(*policy.Users)) func(*policy.Policy) {
	return func(p *policy.Policy) {
		p.Conditions.Users = policy.Users{}
		edit(&p.Conditions.Users)
	}
}

// What a record says is what policies see; what it does not say counts against the request.
func TestHindsightReadsRecords(t *testing.T) {
	excludeGuests := func(p *policy.Policy) { p.Conditions.Users.ExcludeUsers = []string{"GuestsOrExternalUsers"} }
	excludeRole := func(p *policy.Policy) { p.Conditions.Users.ExcludeRoles = []string{"emergency"} }
	excludeUntil := func(p *policy.Policy) {
		excludeAnn(p)
		p.TokenProtection.ExclusionExpiry = []policy.ExclusionExpiry{{User: "id-of-ann", Until: noon.Format(time.DateOnly)}}
	}
	for name, c := range map[string]struct {
		entry     *signin.Entry
		policies  []policy.Policy
		to        signin.Fate
		uncertain bool
	}{
		"unbound":              {entry(), enforced(), signin.FateBlock, false},
		"bound":                {entry(bound), enforced(), signin.FateAllow, false},
		"report-only":          {entry(), reported(), signin.FateReportOnly, false},
		"the worst counts":     {entry(), slices.Concat(reported(), enforced()), signin.FateBlock, false},
		"off":                  {entry(), []policy.Policy{rule("off", policy.Off)}, signin.FateAllow, false},
		"another resource":     {entry(func(e *signin.Entry) { e.ResourceIdentity = "app-of-wiki" }), enforced(), signin.FateAllow, false},
		"resource by name":     {entry(func(e *signin.Entry) { e.ResourceIdentity = "exchange" }), enforced(), signin.FateBlock, false},
		"resource as shown":    {entry(func(e *signin.Entry) { e.ResourceIdentity, e.ResourceDisplayName = "", "Exchange" }), enforced(), signin.FateBlock, false},
		"resource of no name":  {entry(func(e *signin.Entry) { e.ResourceIdentity = "" }), enforced(), signin.FateAllow, false},
		"excluded by id":       {entry(), enforced(excludeAnn), signin.FateAllow, false},
		"excluded until later": {entry(), enforced(excludeUntil), signin.FateAllow, false},
		"excluded until then":  {entry(func(e *signin.Entry) { e.Time = noon.AddDate(0, 0, 1) }), enforced(excludeUntil), signin.FateBlock, false},
		"group included":       {entry(), enforced(includeGroup), signin.FateBlock, true},
		"group excluded":       {entry(), enforced(excludeGroup), signin.FateBlock, true},
		"group, bound":         {entry(bound), enforced(includeGroup), signin.FateAllow, false},
		"role included": {entry(), enforced(including(func(u *policy.Users) { u.IncludeRoles = []string{"admin"} })),
			signin.FateBlock, true},
		"role included, user excluded": {entry(), enforced(including(func(u *policy.Users) { u.IncludeRoles, u.ExcludeUsers = []string{"admin"}, []string{"id-of-ann"} })),
			signin.FateAllow, false},
		"role excluded":        {entry(), enforced(excludeRole), signin.FateBlock, true},
		"certain beside":       {entry(), append(enforced(includeGroup), rule("all", policy.On)), signin.FateBlock, false},
		"certain before":       {entry(), append([]policy.Policy{rule("all", policy.On)}, enforced(includeGroup)...), signin.FateBlock, false},
		"guest":                {entry(func(e *signin.Entry) { e.UserType = "guest" }), enforced(excludeGuests), signin.FateAllow, false},
		"member":               {entry(), enforced(excludeGuests), signin.FateBlock, false},
		"platform":             {entry(), enforced(onlyWindows), signin.FateBlock, false},
		"another platform":     {entry(func(e *signin.Entry) { e.DeviceDetail.OperatingSystem = "MacOs" }), enforced(onlyWindows), signin.FateAllow, false},
		"unknown platform":     {entry(func(e *signin.Entry) { e.DeviceDetail.OperatingSystem = "" }), enforced(onlyWindows), signin.FateBlock, true},
		"client app":           {entry(), enforced(onlyBrowsers), signin.FateAllow, false},
		"client app of Entra":  {entry(func(e *signin.Entry) { e.ClientAppUsed = "Mobile Apps and Desktop clients" }), enforced(onlyBrowsers), signin.FateAllow, false},
		"unknown client app":   {entry(func(e *signin.Entry) { e.ClientAppUsed = "IMAP4" }), enforced(onlyBrowsers), signin.FateBlock, true},
		"hardware unknown":     {entry(bound), enforced(needsHardware), signin.FateBlock, true},
		"hardware missing":     {entry(bound, detailed("hardware_key")), enforced(needsHardware), signin.FateBlock, false},
		"bound without proof":  {entry(detailed("proof_missing: x")), enforced(onlyBrowsers), signin.FateBlock, false},
		"so, perhaps excluded": {entry(detailed("proof_missing")), enforced(onlyBrowsers, excludeGroup), signin.FateBlock, true},
		"so, excluded":         {entry(detailed("proof_missing")), enforced(onlyBrowsers, excludeAnn), signin.FateAllow, false},
		"a word not ours":      {entry(detailed("MFA")), enforced(onlyBrowsers), signin.FateAllow, false},
		"no valid token":       {entry(nobody, detailed("token_expired")), enforced(excludeAnn, onlyBrowsers), signin.FateBlock, false},
		"the same, not on":     {entry(nobody, detailed("token_expired")), reported(), signin.FateReportOnly, false},
		"session of nobody":    {entry(nobody, bound), enforced(), signin.FateAllow, false},
		"grace of a session":   {entry(detailed("session_grace")), enforced(), signin.FateAllow, false},
		"one retry cures":      {entry(detailed("nonce_stale")), enforced(), signin.FateAllow, false},
		"folded": {entry(nobody, detailed("further kinds folded: more users, apps, devices and addresses than the log tells apart in one interval")), enforced(),
			signin.FateBlock, true},
	} {
		got := hindsight(t, c.policies).Change(c.entry)
		if got.From != signin.FateAllow || got.To != c.to || got.Uncertain != c.uncertain {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The policy that decides is named: one that blocks before one that only reports, and one that certainly does.
func TestHindsightNamesThePolicyThatDecides(t *testing.T) {
	for want, policies := range map[string][]policy.Policy{
		"blocks":  {rule("reports", policy.ReportOnly), rule("may", policy.On, includeGroup), rule("blocks", policy.On), rule("too", policy.On)},
		"reports": {rule("off", policy.Off), rule("reports", policy.ReportOnly)},
		"":        {rule("off", policy.Off)},
	} {
		if got := hindsight(t, policies).Change(entry()); got.Policy != want {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
}
