// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestCompileNamesTheMemberAndWhatIsAllowed(t *testing.T) {
	long := strings.Repeat("x", 257)
	tests := []struct {
		name   string
		policy Policy
		want   string // after `policy "NAME": `
	}{
		{"no name", plain(named("")), `displayName: must not be empty`},
		{"a long name", plain(named(long)), `displayName: must not be longer than 256 characters`},
		{"a name without an id in it", plain(named("!!!")), `id: must be given: the name "!!!" has no letter or digit to make one of`},
		{"a long id", plain(func(p *Policy) { p.ID = long }), `id: must not be longer than 256 characters`},
		{"a Caddyfile state", plain(state("report_only")), `state: "report_only" is not a state; allowed: enabled, disabled, enabledForReportingButNotEnforced`},
		{"nobody", plain(users(Users{ExcludeUsers: []string{"id-ann"}})), `conditions.users.includeUsers: the policy includes nobody; include users, groups, roles or guests, or "All"`},
		{"guests of kind none", plain(users(Users{IncludeGuestsOrExternalUsers: &GuestsOrExternalUsers{"none"}})), `conditions.users.includeUsers: the policy includes nobody; include users, groups, roles or guests, or "All"`},
		{"an empty user", plain(users(Users{IncludeUsers: []string{""}})), `conditions.users.includeUsers: must not hold an empty value`},
		{"a blank group", plain(users(Users{IncludeGroups: []string{" "}})), `conditions.users.includeGroups: must not hold an empty value`},
		{"a space that no token has", plain(users(Users{IncludeRoles: []string{"reader "}})), `conditions.users.includeRoles: "reader " must not have space around it; values are compared exactly`},
		{"All in another case", plain(users(Users{IncludeUsers: []string{"all"}})), `conditions.users.includeUsers: "all" must be written "All"`},
		{"guests in another case", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"guestsorexternalusers"}})), `conditions.users.excludeUsers: "guestsorexternalusers" must be written "GuestsOrExternalUsers"`},
		{"None beside others", plain(users(Users{IncludeUsers: []string{"None", "id-ann"}})), `conditions.users.includeUsers: "None" must stand alone`},
		{"all users excluded", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"all"}})), `conditions.users.excludeUsers: "all" would exclude everything; use state "disabled" instead`},
		{"an unknown kind of guest", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeGuestsOrExternalUsers: &GuestsOrExternalUsers{"internalGuest,tourist"}})),
			`conditions.users.excludeGuestsOrExternalUsers.guestOrExternalUserTypes: "tourist" is unknown; allowed: none, internalGuest, b2bCollaborationGuest, b2bCollaborationMember, b2bDirectConnectUser, otherExternalUser, serviceProvider`},
		{"no resource", plain(applicationsOf(Applications{})), `conditions.applications.includeApplications: the policy includes no resource; include some, or "All"`},
		{"an unknown resource", plain(applicationsOf(Applications{IncludeApplications: []string{"exchnage"}})), `conditions.applications.includeApplications: "exchnage" is not a resource here; known: intranet, exchange, sharepoint; also allowed: All, Office365, application ids`},
		{"an unknown resource excluded", plain(applicationsOf(Applications{IncludeApplications: []string{"All"}, ExcludeApplications: []string{"wiki"}})), `conditions.applications.excludeApplications: "wiki" is not a resource here; known: intranet, exchange, sharepoint; also allowed: All, Office365, application ids`},
		{"a group of applications that is not here", plain(applicationsOf(Applications{IncludeApplications: []string{"MicrosoftAdminPortals"}})), `conditions.applications.includeApplications: "MicrosoftAdminPortals" is not a resource here; known: intranet, exchange, sharepoint; also allowed: All, Office365, application ids`},
		{"all resources excluded", plain(applicationsOf(Applications{IncludeApplications: []string{"All"}, ExcludeApplications: []string{"All"}})), `conditions.applications.excludeApplications: "All" would exclude everything; use state "disabled" instead`},
		{"an unknown platform", plain(platforms([]Platform{"Windows"}, nil)), `conditions.platforms.includePlatforms: "Windows" is unknown; allowed: all, windows, macOS, linux, iOS, android, windowsPhone`},
		{"all platforms excluded", plain(platforms([]Platform{AllPlatforms}, []Platform{AllPlatforms})), `conditions.platforms.excludePlatforms: "all" is unknown; allowed: windows, macOS, linux, iOS, android, windowsPhone`},
		{"platforms excluded from none", plain(platforms(nil, []Platform{Linux})), `conditions.platforms.includePlatforms: must include something to exclude from, such as "all"`},
		{"an unknown client app", plain(clientApps("mobile_and_desktop")), `conditions.clientAppTypes: "mobile_and_desktop" is unknown; allowed: all, browser, mobileAppsAndDesktopClients, exchangeActiveSync, easSupported, other`},
		{"no session control", plain(func(p *Policy) { p.SessionControls = SessionControls{} }), `sessionControls.secureSignInSession: must be enabled: token protection is the only control that is enforced here`},
		{"an empty location", plain(locations([]string{""}, nil)), `conditions.locations.includeLocations: must not hold an empty value`},
		{"a word for locations in another case", plain(locations([]string{"all"}, nil)), `conditions.locations.includeLocations: "all" must be written "All"`},
		{"trusted locations in another case", plain(locations([]string{"All"}, []string{"alltrusted"})), `conditions.locations.excludeLocations: "alltrusted" must be written "AllTrusted"`},
		{"all locations excluded", plain(locations([]string{"All"}, []string{"All"})), `conditions.locations.excludeLocations: "All" would exclude everything; use state "disabled" instead`},
		{"locations excluded from none", plain(locations(nil, []string{"AllTrusted"})), `conditions.locations.includeLocations: must include something to exclude from, such as "All"`},
		{"an unknown location", plain(locations([]string{"Berlin"}, nil)), `conditions.locations.includeLocations: "Berlin" is not a named location; known: Office, Lab; also allowed: All, AllTrusted`},
		{"an unknown location excluded", plain(locations([]string{"All"}, []string{"00000000-0000-0000-0000-000000000000"})),
			`conditions.locations.excludeLocations: "00000000-0000-0000-0000-000000000000" is not a named location; known: Office, Lab; also allowed: All, AllTrusted`},
		{"an unknown mode", plain(deviceFilter("Include", `device.model -eq "x"`)), `conditions.devices.deviceFilter.mode: "Include" is not a mode; allowed: include, exclude`},
		{"a filter without a rule", plain(deviceFilter("exclude", "")), `conditions.devices.deviceFilter.rule: character 1: found the end of the rule, expected an attribute such as device.trustType, -not or (`},
		{"a broken rule", plain(deviceFilter("exclude", `device.model -eq x`)), `conditions.devices.deviceFilter.rule: character 18: found "x", expected a string in quotes or null`},
		{"an expiry of nothing", plain(ends(ExclusionExpiry{Until: "2026-12-31"})), `tokenProtection.exclusionExpiry: must name one user, group or role each, not 0`},
		{"an expiry of two", plain(ends(ExclusionExpiry{User: "a", Role: "b", Until: "2026-12-31"})), `tokenProtection.exclusionExpiry: must name one user, group or role each, not 2`},
		{"an expiry of who is not excluded", plain(ends(ExclusionExpiry{Group: "pilot", Until: "2026-12-31"})), `tokenProtection.exclusionExpiry: group pilot is not excluded; expected an entry of excludeUsers, excludeGroups or excludeRoles`},
		{"an expiry of nobody", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"None"}}), ends(ExclusionExpiry{User: "None", Until: "2026-12-31"})),
			`tokenProtection.exclusionExpiry: user None is not excluded; expected an entry of excludeUsers, excludeGroups or excludeRoles`},
		{"an expiry given twice", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeUsers: []string{"a"}}), ends(ExclusionExpiry{User: "a", Until: "2026-12-31"}, ExclusionExpiry{User: "a", Until: "2027-12-31"})),
			`tokenProtection.exclusionExpiry: user a is given twice; expected one end for each exclusion`},
		{"an expiry on no day", plain(users(Users{IncludeUsers: []string{"All"}, ExcludeRoles: []string{"a"}}), ends(ExclusionExpiry{Role: "a", Until: "2026-02-30"})),
			`tokenProtection.exclusionExpiry: "2026-02-30" is no end for role a; expected the last day, such as 2026-12-31, or an instant, such as 2026-12-31T18:00:00Z`},
		{"a share above all", plain(share(101)), `tokenProtection.rolloutPercent: 101 is out of range; allowed: 0 to 100`},
		{"a share below none", plain(share(-1)), `tokenProtection.rolloutPercent: -1 is out of range; allowed: 0 to 100`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := Compile([]Policy{test.policy}, []Resource{{Name: "intranet"}}, office, lab)
			if err == nil || s != nil {
				t.Fatalf("got %v, %v; want an error alone", s, err)
			}
			_, got, _ := strings.Cut(err.Error(), `": `)
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if wrong := new(MemberError); !errors.As(err, &wrong) || wrong.Member == "" {
				t.Errorf("%T names no member", err)
			}
		})
	}
}

// A caller that does not know resources and locations yet finds everything else.
func TestCheckKnowsThePoliciesAlone(t *testing.T) {
	elsewhere := plain(locations([]string{"Berlin"}, nil), applicationsOf(Applications{IncludeApplications: []string{"wiki"}}))
	if err := Check([]Policy{elsewhere}); err != nil {
		t.Errorf("got %v", err)
	}
	if _, err := Compile([]Policy{elsewhere}, nil); err == nil {
		t.Error("without named locations there is no Berlin")
	}
	const want = `policy "Plain": tokenProtection.rolloutPercent: 101 is out of range; allowed: 0 to 100`
	if err := Check([]Policy{plain(share(101))}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCompileReportsEveryMistakeOfEveryPolicy(t *testing.T) {
	first, second := plain(named("Mail"), share(200), state("maybe")), plain(named("Mail"), platforms([]Platform{"beos"}, nil))
	third := plain(named("mail!"))
	_, err := Compile([]Policy{first, second, third, plain(named(""))}, nil)
	want := `policy "Mail": state: "maybe" is not a state; allowed: enabled, disabled, enabledForReportingButNotEnforced
policy "Mail": tokenProtection.rolloutPercent: 200 is out of range; allowed: 0 to 100
policy "Mail": displayName: another policy has this name; names must be unique
policy "Mail": id: another policy has the id "mail"; ids must be unique (default: the slug of the name)
policy "Mail": conditions.platforms.includePlatforms: "beos" is unknown; allowed: all, windows, macOS, linux, iOS, android, windowsPhone
policy "mail!": id: another policy has the id "mail"; ids must be unique (default: the slug of the name)
policy "#4": displayName: must not be empty`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAPolicyWithoutANameIsCalledByItsID(t *testing.T) {
	_, err := Compile([]Policy{plain(named(""), func(p *Policy) { p.ID = "by-id" })}, nil)
	if want := `policy "by-id": displayName: must not be empty`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCompileLeavesItsInputAlone(t *testing.T) {
	policies := []Policy{plain(state(""))}
	resources := []Resource{{Name: "exchange"}}
	if _, err := Compile(policies, resources); err != nil {
		t.Fatal(err)
	}
	if policies[0].ID != "" || policies[0].State != "" || resources[0].AppID != "" {
		t.Errorf("Compile changed %+v, %+v", policies, resources)
	}
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"Require token protection for Exchange and SharePoint": "require-token-protection-for-exchange-and-sharepoint",
		"  CA001: (pilot) -- ring 2!":                          "ca001-pilot-ring-2",
		"Schutz für Ämter":                                     "schutz-für-ämter",
		"令牌保护":                                                 "令牌保护",
		"?!":                                                   "",
		"":                                                     "",
	} {
		if got := Slug(name); got != want {
			t.Errorf("Slug(%q): got %q, want %q", name, got, want)
		}
		if got := Slug(want); got != want {
			t.Errorf("Slug(%q): got %q; a slug is its own slug", want, got)
		}
	}
}

func TestResourcesMayBecomeKnownLater(t *testing.T) {
	const wikiID = "33333333-3333-3333-3333-333333333333"
	wiki := Resource{Name: "wiki", AppID: wikiID}
	s, err := Compile([]Policy{
		plain(applicationsOf(Applications{IncludeApplications: []string{"exchange", wikiID, "typo", "Office365"}, ExcludeApplications: []string{"blog"}})),
		plain(named("Other"), applicationsOf(Applications{IncludeApplications: []string{"typo"}})),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Targets("wiki") {
		t.Error("the set cannot know the application id of wiki yet")
	}
	if !s.Targets("exchange") || !s.Targets("typo") {
		t.Error("well-known names and plain names are matched without a list")
	}
	if got, want := s.UnknownResources([]Resource{wiki, {Name: "blog"}}), []string{"typo"}; !slices.Equal(got, want) {
		t.Errorf("unknown: got %q, want %q", got, want)
	}
	if got, want := s.UnknownResources(nil), []string{"blog", "typo"}; !slices.Equal(got, want) {
		t.Errorf("unknown without a list: got %q, want %q", got, want)
	}
	with := s.WithResources([]Resource{wiki})
	if !with.Targets("wiki") {
		t.Error("wiki is targeted by its application id")
	}
	if s.Targets("wiki") {
		t.Error("WithResources must not change the set it was called on")
	}
}

// RFC 9562, section 4: the case of a GUID does not matter. Both sides are the administrator's.
func TestApplicationIDsMatchInAnyCase(t *testing.T) {
	const lower, upper = "abcdef00-0000-4000-8000-00000000000a", "ABCDEF00-0000-4000-8000-00000000000A"
	for _, ids := range [][2]string{{lower, lower}, {lower, upper}, {upper, lower}, {upper, upper}} {
		s, err := Compile([]Policy{plain(applicationsOf(Applications{IncludeApplications: []string{ids[0]}}))}, []Resource{{Name: "wiki", AppID: ids[1]}})
		if err != nil {
			t.Fatal(err)
		}
		if !s.Targets("wiki") {
			t.Errorf("a policy on %s does not find the resource %s", ids[0], ids[1])
		}
	}
}

// One resource behind two sites, which give it different application ids: a policy on either covers both.
func TestAPolicyOnOneOfTwoSitesTargetsTheResource(t *testing.T) {
	one, two := "44444444-4444-4444-4444-444444444444", "55555555-5555-5555-5555-555555555555"
	for _, id := range []string{one, two} {
		s, err := Compile([]Policy{plain(applicationsOf(Applications{IncludeApplications: []string{id}}))}, []Resource{{Name: "wiki", AppID: one}, {Name: "wiki", AppID: two}})
		if err != nil {
			t.Fatal(err)
		}
		if !s.Targets("wiki") {
			t.Errorf("the policy on %s does not target wiki", id)
		}
	}
}

func TestWhatIsAGUID(t *testing.T) {
	for value, want := range map[string]bool{
		"00000002-0000-0ff1-ce00-000000000000":   true,
		"00000002-0000-0FF1-CE00-000000000000":   true,
		"00000002-0000-0ff1-ce00-00000000000":    false,
		"00000002-0000-0ff1-ce00-00000000000g":   false,
		"000000020-000-0ff1-ce00-000000000000":   false,
		"{00000002-0000-0ff1-ce00-000000000000}": false,
		"exchange":                               false,
	} {
		if got := isGUID(value); got != want {
			t.Errorf("%q: got %t, want %t", value, got, want)
		}
	}
	for _, r := range WellKnown() {
		if !isGUID(r.AppID) {
			t.Errorf("the application id of %s, %q, is none", r.Name, r.AppID)
		}
	}
}

func TestConditionsAreNamedInGraphsOrder(t *testing.T) {
	for set, want := range map[Conditions]string{
		0:                                     "none",
		ConditionUsers:                        "users",
		ConditionApplication:                  "application",
		ConditionUsers | ConditionApplication: "application,users",
		ConditionClientType | ConditionDevicePlatform:                   "devicePlatform,clientType",
		ConditionClientType | ConditionUsers:                            "users,clientType",
		1 | 2 | 4 | 8 | 16 | 256:                                        "application,users,devicePlatform,location,clientType,deviceState",
		32 | ConditionUsers /* a bit that Graph has and we have not */ : "users",
	} {
		if got := set.String(); got != want {
			t.Errorf("%d: got %q, want %q", set, got, want)
		}
	}
}
