// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// This file checks Evaluate against a second implementation of the semantics, written from design.md's section 7 over
// Policy itself, without masks, tables or shared code, and against the laws that hold for every set of policies.

var testResources = []Resource{
	{Name: "intranet", AppID: "11111111-1111-1111-1111-111111111111"},
	{Name: "mail", AppID: "00000002-0000-0ff1-ce00-000000000000"}, // Exchange under another name
}

func naive(p Policy, c *Context, inShare bool) Outcome {
	o := Outcome{Policy: &Identity{ID: p.ID, Name: p.DisplayName, State: p.State}}
	if p.State == "disabled" {
		o.Result = NotEnabled
		return o
	}
	var uncertain bool
	check := func(configured, ok bool, condition Conditions) {
		if configured && ok {
			o.Satisfied += condition
		} else if configured {
			o.NotSatisfied += condition
		}
	}
	check(true, naiveApplications(p.Conditions.Applications, c.Resource), 1)
	usersMatch := true
	if c.Known {
		usersMatch, uncertain = naiveUsers(naiveExclusions(p, c), c)
	}
	check(true, usersMatch, 2)
	check(p.Conditions.Platforms.IncludePlatforms != nil, naivePlatform(p.Conditions.Platforms, c.Platform), 4)
	check(p.Conditions.Locations.IncludeLocations != nil, naiveLocation(p.Conditions.Locations, c.Address), 8)
	check(p.Conditions.ClientAppTypes != nil, naiveClient(p.Conditions.ClientAppTypes, c.ClientApp), 16)
	if f := p.Conditions.Devices.DeviceFilter; f != nil {
		check(true, !c.DeviceKnown || naiveRules[f.Rule](c.Device) == (f.Mode == "include"), 256)
	}
	o.Enforced = p.State == "enabled" && inShare
	switch {
	case o.NotSatisfied > 0:
		o.Result = NotApplied
	case c.Bound && (c.HardwareKey || !p.TokenProtection.RequireHardwareKey):
		o.Result = Success
	default:
		o.Result = Failure
		o.HardwareKeyMissing = c.Bound
	}
	o.Indeterminate = uncertain && o.Result != NotApplied
	if !o.Enforced {
		o.Result = map[Result]Result{NotApplied: ReportOnlyNotApplied, Success: ReportOnlySuccess, Failure: ReportOnlyFailure}[o.Result]
	}
	return o
}

// same compares outcomes of different sets.
func same(a, b Outcome) bool {
	sameIdentity := *a.Policy == *b.Policy
	a.Policy = b.Policy
	return sameIdentity && a == b
}

func naiveApplications(a Applications, resource string) bool {
	names := []string{resource}
	switch resource {
	case "exchange", "mail":
		names = append(names, "00000002-0000-0ff1-ce00-000000000000", "Office365")
	case "sharepoint":
		names = append(names, "00000003-0000-0ff1-ce00-000000000000", "Office365")
	case "intranet":
		names = append(names, "11111111-1111-1111-1111-111111111111")
	}
	for _, name := range names {
		if slices.Contains(a.ExcludeApplications, name) {
			return false
		}
	}
	for _, name := range names {
		if slices.Contains(a.IncludeApplications, name) {
			return true
		}
	}
	return slices.Contains(a.IncludeApplications, "All")
}

// naiveUsers answers in three values: the match, and whether it would be certain with the whole group list.
func naiveUsers(u Users, c *Context) (match, uncertain bool) {
	named := func(users, groups, roles []string, guests *GuestsOrExternalUsers, nameCounts bool) bool {
		for _, user := range users {
			if user == c.UserID || user == c.User && nameCounts || user == "All" || user == "GuestsOrExternalUsers" && c.Guest {
				return true
			}
		}
		for _, group := range groups {
			if slices.Contains(c.Groups, group) {
				return true
			}
		}
		for _, role := range roles {
			if slices.Contains(c.Roles, role) {
				return true
			}
		}
		return guests != nil && c.Guest
	}
	if named(u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles, u.ExcludeGuestsOrExternalUsers, !c.UserNameUnverified) {
		return false, false
	}
	if c.GroupsIndeterminate && u.ExcludeGroups != nil {
		uncertain = true
	}
	if named(u.IncludeUsers, u.IncludeGroups, u.IncludeRoles, u.IncludeGuestsOrExternalUsers, true) {
		return true, uncertain
	}
	if c.GroupsIndeterminate && u.IncludeGroups != nil {
		return true, true
	}
	return false, false
}

// naiveExclusions returns the user condition with those exclusions that have not ended.
func naiveExclusions(p Policy, c *Context) Users {
	u := p.Conditions.Users
	var users, groups, roles []string
	over := func(e ExclusionExpiry) bool { return c.Time.Format("2006-01-02") > e.Until || c.Time.IsZero() }
	for _, user := range u.ExcludeUsers {
		if !slices.ContainsFunc(p.TokenProtection.ExclusionExpiry, func(e ExclusionExpiry) bool { return e.User == user && over(e) }) {
			users = append(users, user)
		}
	}
	for _, group := range u.ExcludeGroups {
		if !slices.ContainsFunc(p.TokenProtection.ExclusionExpiry, func(e ExclusionExpiry) bool { return e.Group == group && over(e) }) {
			groups = append(groups, group)
		}
	}
	for _, role := range u.ExcludeRoles {
		if !slices.ContainsFunc(p.TokenProtection.ExclusionExpiry, func(e ExclusionExpiry) bool { return e.Role == role && over(e) }) {
			roles = append(roles, role)
		}
	}
	u.ExcludeUsers, u.ExcludeGroups, u.ExcludeRoles = users, groups, roles
	return u
}

func naivePlatform(p Platforms, platform Platform) bool {
	if platform == "" || platform == "windowsPhone" {
		return true
	}
	if slices.Contains(p.ExcludePlatforms, platform) {
		return false
	}
	return slices.Contains(p.IncludePlatforms, platform) || slices.Contains(p.IncludePlatforms, "all")
}

func naiveClient(apps []ClientApp, app ClientApp) bool {
	return app == "" || slices.Contains(apps, app) || slices.Contains(apps, "all") ||
		app == "exchangeActiveSync" && slices.Contains(apps, "easSupported")
}

var naiveNetworks = map[string][]string{
	"Office": {"192.0.2.0/24", "2001:db8::/32"}, "22222222-2222-2222-2222-22222222222a": {"192.0.2.0/24", "2001:db8::/32"},
	"Lab": {"192.0.2.128/25"}, "AllTrusted": {"192.0.2.0/24", "2001:db8::/32"}, "All": {"0.0.0.0/0", "::/0"},
}

func naiveLocation(l Locations, address netip.Addr) bool {
	if !address.IsValid() {
		return true
	}
	named := func(names []string) bool {
		for _, name := range names {
			for _, network := range naiveNetworks[name] {
				if netip.MustParsePrefix(network).Contains(address.Unmap()) {
					return true
				}
			}
		}
		return false
	}
	return named(l.IncludeLocations) && !named(l.ExcludeLocations)
}

// naiveRules are the device filters that are drawn: package filter has its own second implementation.
var naiveRules = map[string]func(*device.Device) bool{
	`device.trustType -eq "AzureAD"`:   func(d *device.Device) bool { return d != nil && d.TrustType == "AzureAD" },
	`device.trustType -ne "AzureAD"`:   func(d *device.Device) bool { return d == nil || d.TrustType != "AzureAD" },
	`systemLabels -contains "CloudPC"`: func(d *device.Device) bool { return d != nil && slices.Contains(d.SystemLabels, "CloudPC") },
	`not (systemLabels eq "CloudPC")`:  func(d *device.Device) bool { return d == nil || !slices.Contains(d.SystemLabels, "CloudPC") },
}

// world draws policies and requests from few values, so that they meet.
type world struct{ *rand.Rand }

func newWorld(seed uint64) world { return world{rand.New(rand.NewPCG(seed, 1))} }

func (w world) one(in int) bool { return w.IntN(in) == 0 }

func pick[T any](w world, values ...T) T { return values[w.IntN(len(values))] }

// some returns up to n of the values, nil for none.
func some[T any](w world, n int, values ...T) []T {
	var list []T
	for range w.IntN(n + 1) {
		list = append(list, pick(w, values...))
	}
	return list
}

var (
	worldUsers  = []string{"id-0", "id-1", "id-2", "name-0", "name-1", "name-2"}
	worldGroups = []string{"g-0", "g-1", "g-2", "g-3"}
	worldRoles  = []string{"r-0", "r-1"}
	worldNames  = []string{"exchange", "sharepoint", "intranet", "mail", "00000002-0000-0ff1-ce00-000000000000",
		"11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222", "Office365"}
	worldPlatforms = []Platform{Windows, MacOS, Linux, IOS, Android, WindowsPhone}
	worldDays      = []string{"2026-06-23", "2026-06-24", "2026-12-31"}
	worldLocations = []string{"AllTrusted", "Office", "Lab", "22222222-2222-2222-2222-22222222222a"}
	worldAddresses = []netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.200"), netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("198.51.100.1")}
	worldDevices = []*device.Device{nil, {}, {TrustType: "AzureAD"}, {TrustType: "Workplace", SystemLabels: []string{"CloudPC"}}}
	worldApps    = []ClientApp{Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, EASSupported, OtherClients, AllClientApps}
)

func (w world) policy(i int) Policy {
	p := Policy{
		ID: fmt.Sprintf("p-%d", i), DisplayName: fmt.Sprintf("Policy %d", i), State: pick(w, On, On, ReportOnly, Off),
		SessionControls: SessionControls{SecureSignInSession{true}},
	}
	u := &p.Conditions.Users
	*u = Users{
		IncludeUsers: some(w, 2, append([]string{"GuestsOrExternalUsers"}, worldUsers...)...), IncludeGroups: some(w, 2, worldGroups...),
		IncludeRoles: some(w, 1, worldRoles...), ExcludeUsers: some(w, 1, append([]string{"GuestsOrExternalUsers"}, worldUsers...)...),
		ExcludeGroups: some(w, 1, worldGroups...), ExcludeRoles: some(w, 1, worldRoles...),
	}
	if w.one(5) {
		u.IncludeGuestsOrExternalUsers = &GuestsOrExternalUsers{"internalGuest"}
	}
	if w.one(5) {
		u.ExcludeGuestsOrExternalUsers = &GuestsOrExternalUsers{"serviceProvider"}
	}
	if w.one(3) || u.IncludeUsers == nil && u.IncludeGroups == nil && u.IncludeRoles == nil {
		u.IncludeUsers = []string{pick(w, "All", "All", "None")}
	}
	p.Conditions.Applications = Applications{some(w, 2, worldNames...), some(w, 1, worldNames...)}
	if p.Conditions.Applications.IncludeApplications == nil {
		p.Conditions.Applications.IncludeApplications = []string{pick(w, "All", "All", "None")}
	}
	p.Conditions.Platforms.IncludePlatforms = some(w, 3, append([]Platform{AllPlatforms}, worldPlatforms...)...)
	if p.Conditions.Platforms.IncludePlatforms != nil {
		p.Conditions.Platforms.ExcludePlatforms = some(w, 2, worldPlatforms...)
	}
	p.Conditions.ClientAppTypes = some(w, 2, worldApps...)
	if w.one(3) {
		p.Conditions.Locations.IncludeLocations = append(some(w, 1, worldLocations...), pick(w, "All", "AllTrusted", "Office"))
		p.Conditions.Locations.ExcludeLocations = some(w, 1, worldLocations...)
	}
	if w.one(3) {
		p.Conditions.Devices.DeviceFilter = &DeviceFilter{pick(w, IncludeDevices, ExcludeDevices), pick(w, slices.Sorted(maps.Keys(naiveRules))...)}
	}
	if w.one(2) {
		percent := w.IntN(101)
		p.TokenProtection.RolloutPercent = &percent
	}
	p.TokenProtection.RequireHardwareKey = w.one(3)
	if u.ExcludeUsers != nil && w.one(2) {
		p.TokenProtection.ExclusionExpiry = append(p.TokenProtection.ExclusionExpiry, ExclusionExpiry{User: u.ExcludeUsers[0], Until: pick(w, worldDays...)})
	}
	if u.ExcludeGroups != nil && w.one(2) {
		p.TokenProtection.ExclusionExpiry = append(p.TokenProtection.ExclusionExpiry, ExclusionExpiry{Group: u.ExcludeGroups[0], Until: pick(w, worldDays...)})
	}
	if u.ExcludeRoles != nil && w.one(2) {
		p.TokenProtection.ExclusionExpiry = append(p.TokenProtection.ExclusionExpiry, ExclusionExpiry{Role: u.ExcludeRoles[0], Until: pick(w, worldDays...)})
	}
	return p
}

func (w world) policies() []Policy {
	list := make([]Policy, w.IntN(6))
	for i := range list {
		list[i] = w.policy(i)
	}
	return list
}

func (w world) context() *Context {
	return &Context{
		Known: !w.one(8), UserID: fmt.Sprintf("id-%d", w.IntN(4)), User: fmt.Sprintf("name-%d", w.IntN(4)), UserNameUnverified: w.one(4),
		Groups: some(w, 3, append([]string{"g-other"}, worldGroups...)...), Roles: some(w, 2, worldRoles...),
		GroupsIndeterminate: w.one(4), Guest: w.one(4), Resource: pick(w, "exchange", "sharepoint", "intranet", "mail", "wiki"),
		Platform:  pick(w, append([]Platform{""}, worldPlatforms...)...),
		ClientApp: pick(w, "", Browser, MobileAppsAndDesktopClients, ExchangeActiveSync, OtherClients),
		Address:   pick(w, worldAddresses...), DeviceKnown: !w.one(4), Device: pick(w, worldDevices...),
		Time:  pick(w, time.Time{}, midsummer, midsummer.AddDate(1, 0, 0)),
		Bound: w.one(2), HardwareKey: w.one(2),
	}
}

func (w world) set(t *testing.T, policies []Policy) *Set {
	t.Helper()
	s, err := Compile(policies, testResources, office, lab)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const rounds = 20000

func TestEvaluateAgreesWithTheNaiveReading(t *testing.T) {
	w := newWorld(1)
	results := map[Result]int{}
	indeterminate := 0
	for range rounds {
		policies, c := w.policies(), w.context()
		s := w.set(t, policies)
		var enforcing, needsProof, targeting, excludedBy int
		for i, got := range s.Evaluate(nil, c) {
			p := policies[i]
			percent := p.TokenProtection.RolloutPercent
			inShare := percent == nil || *percent > 0 && (!c.Known || newRollout(p).has(c))
			want := naive(p, c, inShare)
			if !same(got, want) {
				t.Fatalf("policy %+v\ncontext %+v\ngot  %+v\nwant %+v", p, c, got, want)
			}
			results[got.Result]++
			if got.Indeterminate {
				indeterminate++
			}
			if p.State != On || percent != nil && *percent == 0 || !naiveApplications(p.Conditions.Applications, c.Resource) {
				continue
			}
			enforcing++
			everybody := naiveExclusions(p, c)
			everybody.IncludeUsers = []string{"All"}
			in, _ := naiveUsers(everybody, c)
			if !c.Known || in && inShare {
				needsProof++
			}
			targeting++
			if c.Known && !in {
				excludedBy++
			}
		}
		if got := s.Targets(c.Resource); got != (enforcing > 0) {
			t.Fatalf("Targets: got %t with %d enforced policies: %+v", got, enforcing, policies)
		}
		if got := s.BoundTokenNeedsProof(c); got != (needsProof > 0) {
			t.Fatalf("BoundTokenNeedsProof: got %t with %d policies asking: %+v %+v", got, needsProof, policies, c)
		}
		if got := s.Excluded(c); got != (targeting > 0 && targeting == excludedBy) {
			t.Fatalf("Excluded: got %t, by %d of %d: %+v %+v", got, excludedBy, targeting, policies, c)
		}
	}
	// A generator that never gets anywhere proves nothing.
	for _, r := range []Result{Success, Failure, NotApplied, NotEnabled, ReportOnlySuccess, ReportOnlyFailure, ReportOnlyNotApplied} {
		if results[r] < 100 {
			t.Errorf("only %d outcomes of %d rounds are %s", results[r], rounds, r)
		}
	}
	if indeterminate < 100 {
		t.Errorf("only %d outcomes are indeterminate", indeterminate)
	}
}

func blocks(outcomes []Outcome) bool {
	return slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Blocks() })
}

func TestAddingAReportOnlyPolicyNeverChangesADecision(t *testing.T) {
	w := newWorld(2)
	for range rounds {
		policies, c := w.policies(), w.context()
		added := w.policy(100)
		added.State = ReportOnly
		if w.one(3) {
			nobody := 0
			added.State, added.TokenProtection.RolloutPercent = On, &nobody
		}
		before, after := w.set(t, policies), w.set(t, slices.Insert(slices.Clone(policies), w.IntN(len(policies)+1), added))
		if blocks(before.Evaluate(nil, c)) != blocks(after.Evaluate(nil, c)) ||
			before.Targets(c.Resource) != after.Targets(c.Resource) ||
			before.BoundTokenNeedsProof(c) != after.BoundTokenNeedsProof(c) || before.Excluded(c) != after.Excluded(c) {
			t.Fatalf("adding %+v\nto %+v\nchanges the decision about %+v", added, policies, c)
		}
	}
}

func TestPolicyOrderNeverMatters(t *testing.T) {
	w := newWorld(3)
	for range rounds {
		policies, c := w.policies(), w.context()
		shuffled := slices.Clone(policies)
		w.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		one, other := w.set(t, policies), w.set(t, shuffled)
		byID := map[string]Outcome{}
		for _, o := range one.Evaluate(nil, c) {
			byID[o.Policy.ID] = o
		}
		for i, o := range other.Evaluate(nil, c) {
			if o.Policy.ID != shuffled[i].ID || !same(o, byID[o.Policy.ID]) {
				t.Fatalf("shuffled, %+v became %+v", byID[o.Policy.ID], o)
			}
		}
		if one.Targets(c.Resource) != other.Targets(c.Resource) ||
			one.BoundTokenNeedsProof(c) != other.BoundTokenNeedsProof(c) || one.Excluded(c) != other.Excluded(c) {
			t.Fatalf("the order of %+v decides about %+v", policies, c)
		}
	}
}

func TestExcludeBeatsInclude(t *testing.T) {
	w := newWorld(4)
	for range rounds {
		p, c := w.policy(0), w.context()
		c.Known = true
		p.TokenProtection.ExclusionExpiry = nil
		u := &p.Conditions.Users
		want := ConditionUsers
		switch w.IntN(8) {
		case 0:
			u.ExcludeUsers = append(u.ExcludeUsers, c.UserID)
		case 1:
			u.ExcludeUsers = append(u.ExcludeUsers, c.User)
			c.UserNameUnverified = false
		case 2:
			u.ExcludeGroups = append(u.ExcludeGroups, "g-mine")
			c.Groups = append(c.Groups, "g-mine")
		case 3:
			u.ExcludeGuestsOrExternalUsers = &GuestsOrExternalUsers{"internalGuest"}
			c.Guest = true
		case 4:
			p.Conditions.Locations = Locations{[]string{"All", "Office"}, []string{pick(w, "Office", "AllTrusted")}}
			c.Address, want = netip.MustParseAddr("192.0.2.7"), ConditionLocation
		case 5:
			p.Conditions.Devices.DeviceFilter = &DeviceFilter{ExcludeDevices, `systemLabels -contains "CloudPC"`}
			c.DeviceKnown, c.Device, want = true, &device.Device{SystemLabels: []string{"CloudPC"}}, ConditionDeviceState
		case 6:
			p.Conditions.Platforms = Platforms{[]Platform{AllPlatforms, Linux}, []Platform{Linux}}
			c.Platform, want = Linux, ConditionDevicePlatform
		case 7:
			u.ExcludeRoles = append(u.ExcludeRoles, "r-late")
			p.TokenProtection.ExclusionExpiry = []ExclusionExpiry{{Role: "r-late", Until: "2026-06-24"}}
			c.Roles, c.Time = append(c.Roles, "r-late"), midsummer
		}
		o := w.set(t, []Policy{p}).Evaluate(nil, c)[0]
		if p.State != Off && o.NotSatisfied&want == 0 {
			t.Fatalf("policy %+v\napplies to the excluded %+v", p, c)
		}
	}
}

// More users, groups and roles than the stack holds numbers for.
func TestManyNamedValuesEvaluateLikeFew(t *testing.T) {
	var p Policy
	for i := range 3 * stackWords * 64 {
		p.Conditions.Users.IncludeGroups = append(p.Conditions.Users.IncludeGroups, fmt.Sprintf("group-%d", i))
	}
	u := p.Conditions.Users
	u.ExcludeUsers = []string{"id-last"}
	s := mustCompile(t, plain(users(u)))
	for _, test := range []struct {
		user, group string
		want        Result
	}{
		{"id-ann", "group-3071", Failure},
		{"id-ann", "group-3072", NotApplied},
		{"id-ann", "group-0", Failure},
		{"id-last", "group-3071", NotApplied},
	} {
		c := ann(func(c *Context) { c.UserID, c.Groups = test.user, []string{test.group} })
		if got := s.Evaluate(nil, c)[0].Result; got != test.want {
			t.Errorf("%s in %s: got %s, want %s", test.user, test.group, got, test.want)
		}
	}
}
