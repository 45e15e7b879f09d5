// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// plain returns a valid policy for all users of exchange, changed by the given functions.
func plain(change ...func(*Policy)) Policy {
	p := Policy{
		DisplayName:     "Plain",
		State:           On,
		SessionControls: SessionControls{SecureSignInSession{IsEnabled: true}},
		Conditions: ConditionSet{
			Users:        Users{IncludeUsers: []string{"All"}},
			Applications: Applications{IncludeApplications: []string{"exchange"}},
		},
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

// users returns a change of the user condition.
func users(u Users) func(*Policy) { return func(p *Policy) { p.Conditions.Users = u } }

func applicationsOf(a Applications) func(*Policy) {
	return func(p *Policy) { p.Conditions.Applications = a }
}

func platforms(include, exclude []Platform) func(*Policy) {
	return func(p *Policy) { p.Conditions.Platforms = Platforms{include, exclude} }
}

func clientApps(apps ...ClientApp) func(*Policy) {
	return func(p *Policy) { p.Conditions.ClientAppTypes = apps }
}

func locations(include, exclude []string) func(*Policy) {
	return func(p *Policy) { p.Conditions.Locations = Locations{include, exclude} }
}

func deviceFilter(mode FilterMode, rule string) func(*Policy) {
	return func(p *Policy) { p.Conditions.Devices.DeviceFilter = &DeviceFilter{mode, rule} }
}

// The named locations of tests: a trusted network and one inside it that is not.
var (
	office = NamedLocation{ID: "22222222-2222-2222-2222-22222222222a", DisplayName: "Office", IsTrusted: true, IPRanges: []IPRange{{"192.0.2.0/24"}, {"2001:db8::/32"}}}
	lab    = NamedLocation{DisplayName: "Lab", IPRanges: []IPRange{{"192.0.2.128/25"}}}
)

func ends(e ...ExclusionExpiry) func(*Policy) {
	return func(p *Policy) { p.TokenProtection.ExclusionExpiry = e }
}

func state(s State) func(*Policy) { return func(p *Policy) { p.State = s } }

func named(name string) func(*Policy) { return func(p *Policy) { p.DisplayName = name } }

func share(percent int) func(*Policy) {
	return func(p *Policy) { p.TokenProtection.RolloutPercent = &percent }
}

func hardware(p *Policy) { p.TokenProtection.RequireHardwareKey = true }

func mustCompile(t testing.TB, policies ...Policy) *Set {
	t.Helper()
	s, err := Compile(policies, []Resource{{Name: "intranet", AppID: "11111111-1111-1111-1111-111111111111"}}, office, lab)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ann is a member of two groups with an unbound token for exchange.
func ann(change ...func(*Context)) *Context {
	c := &Context{
		Known: true, UserID: "id-ann", User: "ann@contoso.example", Groups: []string{"pilot", "staff"}, Roles: []string{"reader"},
		Resource: "exchange", Platform: Windows, ClientApp: MobileAppsAndDesktopClients,
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func TestConditionsSayWhomAPolicyAppliesTo(t *testing.T) {
	const (
		applies = Failure // the token is unbound
		not     = NotApplied
	)
	guestKinds := &GuestsOrExternalUsers{"b2bCollaborationGuest,internalGuest"}
	nobody := &GuestsOrExternalUsers{"none"}
	const joined, notJoined = `device.trustType -eq "AzureAD"`, `device.trustType -ne "AzureAD"`
	at := func(address string) func(*Context) {
		return func(c *Context) { c.Address = netip.MustParseAddr(address) }
	}
	on := func(d *device.Device) func(*Context) { return func(c *Context) { c.DeviceKnown, c.Device = true, d } }
	overage := func(c *Context) { c.Groups, c.GroupsIndeterminate = nil, true }
	guest := func(c *Context) { c.Guest = true }
	tests := []struct {
		name          string
		policy        Policy
		context       *Context
		want          Result
		notSatisfied  string
		indeterminate bool
	}{
		{"all users", plain(), ann(), applies, "none", false},
		{"None is nobody", plain(users(Users{IncludeUsers: []string{"None"}})), ann(), not, "users", false},
		{"by user id", plain(users(Users{IncludeUsers: []string{"id-ann"}})), ann(), applies, "none", false},
		{"by user name", plain(users(Users{IncludeUsers: []string{"ann@contoso.example"}})), ann(), applies, "none", false},
		{"by a name in another case", plain(users(Users{IncludeUsers: []string{"Ann@contoso.example"}})), ann(), not, "users", false},
		{"another user", plain(users(Users{IncludeUsers: []string{"id-bob"}})), ann(), not, "users", false},
		{"a user is no group", plain(users(Users{IncludeUsers: []string{"pilot"}})), ann(), not, "users", false},
		{"a group is no user", plain(users(Users{IncludeGroups: []string{"id-ann"}})), ann(), not, "users", false},
		{"a group is no role", plain(users(Users{IncludeRoles: []string{"pilot"}})), ann(), not, "users", false},
		{"by group", plain(users(Users{IncludeGroups: []string{"other", "staff"}})), ann(), applies, "none", false},
		{"by role", plain(users(Users{IncludeRoles: []string{"reader"}})), ann(), applies, "none", false},
		{"includes are ORed", plain(users(Users{IncludeUsers: []string{"id-bob"}, IncludeRoles: []string{"reader"}})), ann(), applies, "none", false},
		{"guests, as a user word", plain(users(Users{IncludeUsers: []string{"GuestsOrExternalUsers"}})), ann(guest), applies, "none", false},
		{"guests, by kind", plain(users(Users{IncludeGuestsOrExternalUsers: guestKinds})), ann(guest), applies, "none", false},
		{"a member is no guest", plain(users(Users{IncludeGuestsOrExternalUsers: guestKinds})), ann(), not, "users", false},
		{"guests of kind none are nobody", plain(users(Users{IncludeUsers: []string{"id-bob"}, IncludeGuestsOrExternalUsers: nobody})), ann(guest), not, "users", false},
		{"all users has guests too", plain(), ann(guest), applies, "none", false},

		{"excluded by id", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"id-ann"}})), ann(), not, "users", false},
		{"excluded by name", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"ann@contoso.example"}})), ann(), not, "users", false},
		{"excluded by group", plain(users(Users{IncludeUsers: []string{"id-ann"}, ExcludeGroups: []string{"pilot"}})), ann(), not, "users", false},
		{"excluded by role", plain(users(Users{IncludeUsers: []string{"id-ann"}, ExcludeRoles: []string{"reader"}})), ann(), not, "users", false},
		{"excluded as guest, by word", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"GuestsOrExternalUsers"}})), ann(guest), not, "users", false},
		{"excluded as guest, by kind", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeGuestsOrExternalUsers: guestKinds})), ann(guest), not, "users", false},
		{"excluding guests leaves members", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeGuestsOrExternalUsers: guestKinds})), ann(), applies, "none", false},
		{"excluding None excludes nobody", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"None"}})), ann(), applies, "none", false},

		{"cut-off groups count as included", plain(users(Users{IncludeGroups: []string{"pilot"}})), ann(overage), applies, "none", true},
		{"cut-off groups count as not excluded", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeGroups: []string{"pilot"}})), ann(overage), applies, "none", true},
		{"cut-off groups do not matter without a group", plain(), ann(overage), applies, "none", false},
		{"cut-off groups do not decide if a role includes", plain(users(Users{IncludeGroups: []string{"pilot"}, IncludeRoles: []string{"reader"}})), ann(overage), applies, "none", false},
		{"cut-off groups do not decide if the id is excluded", plain(users(Users{IncludeGroups: []string{"pilot"}, ExcludeUsers: []string{"id-ann"}})), ann(overage), not, "users", false},
		{"a group that a cut-off list shows excludes", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeGroups: []string{"pilot"}})),
			ann(func(c *Context) { c.GroupsIndeterminate = true }), not, "users", false},
		{"cut-off groups decide nothing if the platform does not match", plain(users(Users{IncludeGroups: []string{"pilot"}}), platforms([]Platform{Linux}, nil)),
			ann(overage), not, "devicePlatform", false},

		{"a name that its user can set includes", plain(users(Users{IncludeUsers: []string{"ann@contoso.example"}})),
			ann(func(c *Context) { c.UserNameUnverified = true }), applies, "none", false},
		{"a name that its user can set does not exclude", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"ann@contoso.example"}})),
			ann(func(c *Context) { c.UserNameUnverified = true }), applies, "none", false},

		{"the resource", plain(applicationsOf(Applications{IncludeApplications: []string{"exchange"}})), ann(), applies, "none", false},
		{"another resource", plain(applicationsOf(Applications{IncludeApplications: []string{"sharepoint"}})), ann(), not, "application", false},
		{"by application id", plain(applicationsOf(Applications{IncludeApplications: []string{"00000002-0000-0FF1-CE00-000000000000"}})), ann(), applies, "none", false},
		{"an application that is not served here", plain(applicationsOf(Applications{IncludeApplications: []string{"22222222-2222-2222-2222-222222222222"}})), ann(), not, "application", false},
		{"all applications", plain(applicationsOf(Applications{IncludeApplications: []string{"All"}})), ann(), applies, "none", false},
		{"no application", plain(applicationsOf(Applications{IncludeApplications: []string{"None"}})), ann(), not, "application", false},
		{"Office365 has exchange", plain(applicationsOf(Applications{IncludeApplications: []string{"Office365"}})), ann(), applies, "none", false},
		{"Office365 has not intranet", plain(applicationsOf(Applications{IncludeApplications: []string{"Office365"}})),
			ann(func(c *Context) { c.Resource = "intranet" }), not, "application", false},
		{"an excluded resource", plain(applicationsOf(Applications{IncludeApplications: []string{"All"}, ExcludeApplications: []string{"exchange"}})), ann(), not, "application", false},
		{"an excluded application id", plain(applicationsOf(Applications{IncludeApplications: []string{"exchange"}, ExcludeApplications: []string{"00000002-0000-0ff1-ce00-000000000000"}})), ann(), not, "application", false},
		{"an excluded Office365", plain(applicationsOf(Applications{IncludeApplications: []string{"All"}, ExcludeApplications: []string{"Office365"}})), ann(), not, "application", false},
		{"all includes a resource that the set does not know", plain(applicationsOf(Applications{IncludeApplications: []string{"All"}})),
			ann(func(c *Context) { c.Resource = "wiki" }), applies, "none", false},

		{"the platform", plain(platforms([]Platform{Linux, Windows}, nil)), ann(), applies, "none", false},
		{"another platform", plain(platforms([]Platform{Linux, MacOS, IOS, Android}, nil)), ann(), not, "devicePlatform", false},
		{"an unknown platform", plain(platforms([]Platform{Linux}, nil)), ann(func(c *Context) { c.Platform = "" }), applies, "none", false},
		{"a platform without a name here", plain(platforms([]Platform{Linux}, nil)), ann(func(c *Context) { c.Platform = "beos" }), applies, "none", false},
		{"an excluded platform", plain(platforms([]Platform{AllPlatforms}, []Platform{Windows})), ann(), not, "devicePlatform", false},
		{"included and excluded platform", plain(platforms([]Platform{Windows}, []Platform{Windows})), ann(), not, "devicePlatform", false},
		{"an unknown platform is not excluded", plain(platforms([]Platform{AllPlatforms}, []Platform{Windows, Linux, MacOS, IOS, Android, WindowsPhone})),
			ann(func(c *Context) { c.Platform = "" }), applies, "none", false},
		{"windowsPhone never matches", plain(platforms([]Platform{WindowsPhone}, nil)), ann(), not, "devicePlatform", false},

		{"the client app", plain(clientApps(MobileAppsAndDesktopClients)), ann(), applies, "none", false},
		{"another client app", plain(clientApps(Browser, ExchangeActiveSync, OtherClients)), ann(), not, "clientType", false},
		{"all client apps", plain(clientApps(AllClientApps)), ann(), applies, "none", false},
		{"an unknown client app", plain(clientApps(Browser)), ann(func(c *Context) { c.ClientApp = "" }), applies, "none", false},
		{"easSupported is ActiveSync", plain(clientApps(EASSupported)), ann(func(c *Context) { c.ClientApp = ExchangeActiveSync }), applies, "none", false},

		{"every network", plain(locations([]string{"All"}, nil)), ann(at("198.51.100.1")), applies, "none", false},
		{"a named location", plain(locations([]string{"Office"}, nil)), ann(at("192.0.2.1")), applies, "none", false},
		{"a named location, by id in another case", plain(locations([]string{"22222222-2222-2222-2222-22222222222A"}, nil)), ann(at("192.0.2.1")), applies, "none", false},
		{"a named location, from elsewhere", plain(locations([]string{"Office"}, nil)), ann(at("198.51.100.1")), not, "location", false},
		{"a named location, in IPv6", plain(locations([]string{"Office"}, nil)), ann(at("2001:db8:1::1")), applies, "none", false},
		{"a named location, in IPv6 with a zone", plain(locations([]string{"Office"}, nil)), ann(at("2001:db8:1::1%eth0")), applies, "none", false},
		{"a named location, in IPv4 written as IPv6", plain(locations([]string{"Office"}, nil)), ann(at("::ffff:192.0.2.1")), applies, "none", false},
		{"a named location is not its surroundings", plain(locations([]string{"Lab"}, nil)), ann(at("192.0.2.127")), not, "location", false},
		{"trusted locations", plain(locations([]string{"AllTrusted"}, nil)), ann(at("192.0.2.1")), applies, "none", false},
		{"no trusted location", plain(locations([]string{"AllTrusted"}, nil)), ann(at("198.51.100.1")), not, "location", false},
		{"trusted locations excluded", plain(locations([]string{"All"}, []string{"AllTrusted"})), ann(at("192.0.2.1")), not, "location", false},
		{"excluded beats included", plain(locations([]string{"Office"}, []string{"Lab"})), ann(at("192.0.2.200")), not, "location", false},
		{"included outside of what is excluded", plain(locations([]string{"Office"}, []string{"Lab"})), ann(at("192.0.2.1")), applies, "none", false},
		{"an unknown address is included", plain(locations([]string{"Office"}, nil)), ann(), applies, "none", false},
		{"an unknown address is not excluded", plain(locations([]string{"All"}, []string{"AllTrusted"})), ann(), applies, "none", false},

		{"a device that is included", plain(deviceFilter("include", joined)), ann(on(&device.Device{TrustType: "AzureAD"})), applies, "none", false},
		{"a device that is not included", plain(deviceFilter("include", joined)), ann(on(&device.Device{TrustType: "Workplace"})), not, "deviceState", false},
		{"a device that is excluded", plain(deviceFilter("exclude", joined)), ann(on(&device.Device{TrustType: "AzureAD"})), not, "deviceState", false},
		{"a device that is not excluded", plain(deviceFilter("exclude", joined)), ann(on(&device.Device{TrustType: "Workplace"})), applies, "none", false},
		{"no device, included positively", plain(deviceFilter("include", joined)), ann(on(nil)), not, "deviceState", false},
		{"no device, included negatively", plain(deviceFilter("include", notJoined)), ann(on(nil)), applies, "none", false},
		{"no device, excluded positively", plain(deviceFilter("exclude", joined)), ann(on(nil)), applies, "none", false},
		{"no device, excluded negatively", plain(deviceFilter("exclude", notJoined)), ann(on(nil)), not, "deviceState", false},
		{"a device that nobody asked about is included", plain(deviceFilter("include", joined)), ann(), applies, "none", false},
		{"a device that nobody asked about is not excluded", plain(deviceFilter("exclude", notJoined)), ann(), applies, "none", false},

		{"every condition is told of", plain(users(Users{IncludeUsers: []string{"id-bob"}}), applicationsOf(Applications{IncludeApplications: []string{"sharepoint"}}),
			platforms([]Platform{Linux}, nil), clientApps(Browser), locations([]string{"Lab"}, nil), deviceFilter("include", joined)), ann(at("192.0.2.1"), on(nil)), not,
			"application,users,devicePlatform,location,clientType,deviceState", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := mustCompile(t, test.policy).Evaluate(nil, test.context)[0]
			if o.Result != test.want || o.NotSatisfied.String() != test.notSatisfied || o.Indeterminate != test.indeterminate {
				t.Errorf("got %s, not satisfied %s, indeterminate %t; want %s, %s, %t",
					o.Result, o.NotSatisfied, o.Indeterminate, test.want, test.notSatisfied, test.indeterminate)
			}
		})
	}
}

func TestOnlyConfiguredConditionsAreTold(t *testing.T) {
	tests := []struct {
		policy Policy
		want   string
	}{
		{plain(), "application,users"},
		{plain(platforms([]Platform{Windows}, nil)), "application,users,devicePlatform"},
		{plain(clientApps(AllClientApps)), "application,users,clientType"},
		{plain(platforms([]Platform{AllPlatforms}, nil), clientApps(MobileAppsAndDesktopClients)), "application,users,devicePlatform,clientType"},
		{plain(locations([]string{"All"}, nil), deviceFilter("include", `model -eq null`)), "application,users,location,deviceState"},
		{plain(state(Off)), "none"},
	}
	for _, test := range tests {
		o := mustCompile(t, test.policy).Evaluate(nil, ann())[0]
		if o.Satisfied.String() != test.want || o.NotSatisfied != 0 {
			t.Errorf("satisfied %s, not satisfied %s; want %s, none", o.Satisfied, o.NotSatisfied, test.want)
		}
	}
}

func TestResultsFollowStateAndBinding(t *testing.T) {
	tests := []struct {
		name               string
		policy             Policy
		bound, hardwareKey bool
		want               Result
		enforced, missing  bool
	}{
		{"on, unbound", plain(), false, false, Failure, true, false},
		{"on, bound", plain(), true, false, Success, true, false},
		{"on, bound by a soft key where hardware is required", plain(hardware), true, false, Failure, true, true},
		{"on, bound by a hardware key where hardware is required", plain(hardware), true, true, Success, true, false},
		{"on, unbound where hardware is required: the binding is what is missing", plain(hardware), false, false, Failure, true, false},
		{"on, a hardware key alone binds nothing", plain(hardware), false, true, Failure, true, false},
		{"on, out of scope", plain(users(Users{IncludeUsers: []string{"id-bob"}})), false, false, NotApplied, true, false},
		{"report-only, unbound", plain(state(ReportOnly)), false, false, ReportOnlyFailure, false, false},
		{"report-only, bound", plain(state(ReportOnly)), true, false, ReportOnlySuccess, false, false},
		{"report-only, soft key", plain(state(ReportOnly), hardware), true, false, ReportOnlyFailure, false, true},
		{"report-only, out of scope", plain(state(ReportOnly), users(Users{IncludeUsers: []string{"id-bob"}})), false, false, ReportOnlyNotApplied, false, false},
		{"no state is report-only", plain(state("")), false, false, ReportOnlyFailure, false, false},
		{"off", plain(state(Off)), false, false, NotEnabled, false, false},
		{"on for nobody is report-only", plain(share(0)), false, false, ReportOnlyFailure, false, false},
		{"on for all", plain(share(100)), false, false, Failure, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := ann(func(c *Context) { c.Bound, c.HardwareKey = test.bound, test.hardwareKey })
			o := mustCompile(t, test.policy).Evaluate(nil, c)[0]
			if o.Result != test.want || o.Enforced != test.enforced || o.HardwareKeyMissing != test.missing {
				t.Errorf("got %s, enforced %t, hardware key missing %t; want %s, %t, %t",
					o.Result, o.Enforced, o.HardwareKeyMissing, test.want, test.enforced, test.missing)
			}
			if want := test.enforced && test.want == Failure; o.Blocks() != want {
				t.Errorf("blocks: got %t, want %t", o.Blocks(), want)
			}
		})
	}
}

// Design, section 7: a request without a valid token has no user, and is in scope whatever the user condition.
func TestARequestWithoutATokenIsInScopeOfEveryUserCondition(t *testing.T) {
	for name, change := range map[string][]func(*Policy){
		"nobody included":       {users(Users{IncludeUsers: []string{"None"}})},
		"another user included": {users(Users{IncludeUsers: []string{"id-bob"}})},
		"guests excluded":       {users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"GuestsOrExternalUsers"}})},
		"an empty user":         {users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"id-ann"}})},
		"one in a hundred":      {share(1)},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustCompile(t, plain(change...))
			// The facts about a user are left in the context to show that they are not looked at.
			c := ann(func(c *Context) { c.Known, c.Guest = false, true })
			if o := s.Evaluate(nil, c)[0]; o.Result != Failure || !o.Enforced || o.Indeterminate {
				t.Errorf("got %+v, want an enforced failure", o)
			}
			if !s.BoundTokenNeedsProof(c) || s.Excluded(c) {
				t.Error("a request without a user must not count as excluded")
			}
		})
	}
	s := mustCompile(t, plain(platforms([]Platform{Linux}, nil)))
	if o := s.Evaluate(nil, ann(func(c *Context) { c.Known = false }))[0]; o.Result != NotApplied {
		t.Errorf("the other conditions still count: got %s", o.Result)
	}
}

func TestTargetsAsksForAnEnforcedPolicyAlone(t *testing.T) {
	tests := []struct {
		name     string
		policy   Policy
		resource string
		want     bool
	}{
		{"on", plain(), "exchange", true},
		{"on for nobody's user", plain(users(Users{IncludeUsers: []string{"None"}})), "exchange", true},
		{"on for a small share", plain(share(1)), "exchange", true},
		{"on for no share", plain(share(0)), "exchange", false},
		{"report-only", plain(state(ReportOnly)), "exchange", false},
		{"off", plain(state(Off)), "exchange", false},
		{"another resource", plain(), "sharepoint", false},
		{"a resource the set was not told of", plain(applicationsOf(Applications{IncludeApplications: []string{"All"}})), "wiki", true},
		{"such a resource, not targeted", plain(), "wiki", false},
	}
	for _, test := range tests {
		if got := mustCompile(t, test.policy).Targets(test.resource); got != test.want {
			t.Errorf("%s: got %t, want %t", test.name, got, test.want)
		}
	}
}

func TestTargetingListsPoliciesOfEveryStateAndCondition(t *testing.T) {
	s := mustCompile(t,
		plain(named("on")),
		plain(named("report-only"), state(ReportOnly)),
		plain(named("off"), state(Off)),
		plain(named("for no share"), share(0)),
		plain(named("in some places"), locations([]string{"All"}, []string{"Office"})),
		plain(named("another resource"), applicationsOf(Applications{IncludeApplications: []string{"intranet"}})),
		plain(named("several resources"), applicationsOf(Applications{IncludeApplications: []string{"intranet", "exchange"}})),
		plain(named("all but one"), applicationsOf(Applications{IncludeApplications: []string{"All"}, ExcludeApplications: []string{"exchange"}})),
	)
	for resource, want := range map[string][]int{"exchange": {0, 1, 2, 4, 6}, "intranet": {5, 6, 7}, "one the set was not told of": {7}} {
		if got := s.Targeting(resource); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", resource, got, want)
		}
	}
	if got := mustCompile(t).Targeting("exchange"); got != nil {
		t.Errorf("no policy: got %v", got)
	}
}

// Design, section 7: conditions on platform and client cannot lift the proof that a bound token owes; an exclusion can.
func TestABoundTokenNeedsItsProofUnlessItsUserIsExcluded(t *testing.T) {
	out := largestShareWithout(t, ann())
	tests := []struct {
		name            string
		policies        []Policy
		needs, excluded bool
	}{
		{"no policy", nil, false, false},
		{"on", []Policy{plain()}, true, false},
		{"another platform", []Policy{plain(platforms([]Platform{Linux}, nil))}, true, false},
		{"another client", []Policy{plain(clientApps(Browser))}, true, false},
		{"an excluded location", []Policy{plain(locations([]string{"All"}, []string{"AllTrusted"}))}, true, false},
		{"an excluded device", []Policy{plain(deviceFilter("exclude", `model -eq null`))}, true, false},
		{"not included", []Policy{plain(users(Users{IncludeUsers: []string{"id-bob"}}))}, true, false},
		{"excluded user", []Policy{plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"id-ann"}}))}, false, true},
		{"excluded group", []Policy{plain(users(Users{IncludeUsers: []string{"All"}, ExcludeGroups: []string{"pilot"}}))}, false, true},
		{"excluded by one of two", []Policy{
			plain(users(Users{IncludeUsers: []string{"All"}, ExcludeRoles: []string{"reader"}})), plain(named("Second"))}, true, false},
		{"excluded by the only one that is on", []Policy{
			plain(users(Users{IncludeUsers: []string{"All"}, ExcludeRoles: []string{"reader"}})), plain(named("Second"), state(ReportOnly))}, false, true},
		{"another resource", []Policy{plain(applicationsOf(Applications{IncludeApplications: []string{"sharepoint"}}))}, false, false},
		{"report-only", []Policy{plain(state(ReportOnly))}, false, false},
		{"outside the share", []Policy{plain(share(out))}, false, false},
		{"inside the share", []Policy{plain(share(out + 1))}, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := mustCompile(t, test.policies...)
			c := ann(func(c *Context) { c.Address, c.DeviceKnown = netip.MustParseAddr("192.0.2.1"), true })
			if got := s.BoundTokenNeedsProof(c); got != test.needs {
				t.Errorf("needs proof: got %t, want %t", got, test.needs)
			}
			if got := s.Excluded(c); got != test.excluded {
				t.Errorf("excluded: got %t, want %t", got, test.excluded)
			}
		})
	}
}

// largestShareWithout returns the largest share of the plain policy that does not hold the user.
func largestShareWithout(t *testing.T, c *Context) int {
	t.Helper()
	for percent := 99; percent > 0; percent-- {
		if !mustCompile(t, plain(share(percent))).Evaluate(nil, c)[0].Enforced {
			return percent
		}
	}
	t.Fatal("the user is in every share")
	return 0
}

func TestOutcomesComeInTheConfiguredOrderAfterWhatIsThere(t *testing.T) {
	s := mustCompile(t, plain(named("C")), plain(named("A"), state(Off)), plain(named("B"), state(ReportOnly)))
	outcomes := s.Evaluate([]Outcome{{Policy: &Identity{Name: "before"}}}, ann())
	var names []string
	for _, o := range outcomes {
		names = append(names, o.Policy.Name+"/"+o.Policy.ID)
	}
	if want := []string{"before/", "C/c", "A/a", "B/b"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if got, want := s.IDs(), []string{"c", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("IDs: got %q, want %q", got, want)
	}
	if s.Len() != 3 {
		t.Errorf("Len: got %d, want 3", s.Len())
	}
}
