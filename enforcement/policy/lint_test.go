// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// midsummer is when tests take place.
var midsummer = time.Date(2026, time.June, 24, 12, 0, 0, 0, time.UTC)

// wise is a policy that lint has nothing to say about.
func wise(change ...func(*Policy)) Policy {
	return plain(append([]func(*Policy){
		users(Users{IncludeGroups: []string{"pilot"}, ExcludeGroups: []string{"break-glass"}}),
		clientApps(MobileAppsAndDesktopClients),
	}, change...)...)
}

func rulesOf(warnings []Warning) []Rule {
	rules := []Rule{}
	for _, w := range warnings {
		rules = append(rules, w.Rule)
	}
	return rules
}

func TestLint(t *testing.T) {
	breakGlass := []string{"id-break-glass"}
	allKinds := &GuestsOrExternalUsers{strings.Join(guestKinds, ",")}
	everyone := func(u Users) Users { u.IncludeUsers = []string{"All"}; return u }
	tests := []struct {
		name   string
		policy Policy
		dbsc   []string // resources that accept it
		want   []Rule
	}{
		{"nothing to say", wise(), nil, nil},
		{"nothing about a policy that is off", plain(state(Off)), nil, nil},
		{"report-only is where one wants to know", plain(state(ReportOnly)), nil, []Rule{NoBreakGlass, GuestsIncluded, ClientAppsNotConfigured, BrowserWithoutDBSC}},
		{"no exclusion", wise(users(Users{IncludeGroups: []string{"pilot"}})), nil, []Rule{NoBreakGlass}},
		{"guests are no break-glass accounts", wise(users(everyone(Users{ExcludeUsers: []string{"GuestsOrExternalUsers"}}))), nil, []Rule{NoBreakGlass}},
		{"nor is nobody", wise(users(Users{IncludeGroups: []string{"pilot"}, ExcludeUsers: []string{"None"}})), nil, []Rule{NoBreakGlass}},
		{"an excluded user", wise(users(Users{IncludeGroups: []string{"pilot"}, ExcludeUsers: breakGlass})), nil, nil},
		{"an excluded role", wise(users(Users{IncludeGroups: []string{"pilot"}, ExcludeRoles: breakGlass})), nil, nil},
		{"an exclusion that ends is none for an emergency", wise(users(Users{IncludeGroups: []string{"pilot"}, ExcludeUsers: []string{"id-ann"}}), ends(ExclusionExpiry{User: "id-ann", Until: "2026-06-24"})), nil, []Rule{NoBreakGlass}},
		{"an exclusion that ends beside one that does not", wise(users(Users{IncludeGroups: []string{"pilot"}, ExcludeUsers: []string{"id-ann", "id-bob"}}), ends(ExclusionExpiry{User: "id-ann", Until: "2026-06-24"})), nil, nil},
		{"an exclusion that has ended", wise(ends(ExclusionExpiry{Group: "break-glass", Until: "2026-06-23"})), nil, []Rule{NoBreakGlass, ExpiredExclusion}},
		{"the whole group", wise(applicationsOf(Applications{IncludeApplications: []string{"Office365"}})), nil, []Rule{WholeOffice365}},
		{"the whole group excluded", wise(applicationsOf(Applications{IncludeApplications: []string{"intranet"}, ExcludeApplications: []string{"Office365"}})), nil, nil},
		{"no client apps", wise(clientApps()), []string{"exchange"}, []Rule{ClientAppsNotConfigured}},
		{"all client apps", wise(clientApps(AllClientApps)), []string{"exchange"}, []Rule{ClientAppsNotConfigured}},
		{"browser without dbsc", wise(clientApps(Browser)), nil, []Rule{BrowserWithoutDBSC}},
		{"browser with dbsc", wise(clientApps(Browser)), []string{"exchange"}, nil},
		{"browser with dbsc elsewhere", wise(clientApps(Browser)), []string{"sharepoint"}, []Rule{BrowserWithoutDBSC}},
		{"guests as a word", wise(users(Users{IncludeUsers: []string{"GuestsOrExternalUsers"}, ExcludeUsers: breakGlass})), nil, []Rule{GuestsIncluded}},
		{"guests as a kind", wise(users(Users{IncludeGuestsOrExternalUsers: allKinds, ExcludeUsers: breakGlass})), nil, []Rule{GuestsIncluded}},
		{"guests among all", wise(users(everyone(Users{ExcludeUsers: breakGlass}))), nil, []Rule{GuestsIncluded}},
		{"all without guests", wise(users(everyone(Users{ExcludeUsers: breakGlass, ExcludeGuestsOrExternalUsers: allKinds}))), nil, nil},
		{"all without some guests", wise(users(everyone(Users{ExcludeUsers: breakGlass, ExcludeGuestsOrExternalUsers: &GuestsOrExternalUsers{"serviceProvider"}}))), nil, []Rule{GuestKindsWidened}},
		{"one platform", wise(platforms([]Platform{Windows}, nil)), nil, []Rule{PlatformGap}},
		{"all platforms but one", wise(platforms([]Platform{AllPlatforms}, []Platform{IOS})), nil, []Rule{PlatformGap}},
		{"every platform by name", wise(platforms([]Platform{Windows, MacOS, Linux, IOS, Android}, nil)), nil, nil},
		{"all platforms but one that is gone", wise(platforms([]Platform{AllPlatforms}, []Platform{WindowsPhone})), nil, nil},
		{"every network", wise(locations([]string{"All"}, nil)), nil, nil},
		{"every network but some", wise(locations([]string{"All"}, []string{"Office"})), nil, []Rule{LocationGap}},
		{"one network", wise(locations([]string{"Office"}, nil)), nil, []Rule{LocationGap}},
		{"devices of one kind excluded", wise(deviceFilter("exclude", `systemLabels -contains "CloudPC"`)), nil, nil},
		{"all but devices of one kind included", wise(deviceFilter("include", `systemLabels -notContains "CloudPC"`)), nil, nil},
		{"devices of one kind included", wise(deviceFilter("include", `systemLabels -contains "CloudPC"`)), nil, []Rule{UnregisteredDeviceGap}},
		{"all but devices of one kind excluded", wise(deviceFilter("exclude", `systemLabels -notContains "CloudPC"`)), nil, []Rule{UnregisteredDeviceGap}},
		{"devices of a name excluded", wise(deviceFilter("exclude", `displayName -startsWith "KIOSK-"`)), nil, []Rule{ChangeableDeviceAttributes}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := rulesOf(mustCompile(t, test.policy).Lint(nil, func(resource string) bool { return slices.Contains(test.dbsc, resource) }, midsummer))
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestLintMissesTrustedLocations(t *testing.T) {
	for name, test := range map[string]struct {
		named []NamedLocation
		want  []Rule
	}{
		"none":         {nil, []Rule{NoTrustedLocation, LocationGap}},
		"none trusted": {[]NamedLocation{lab}, []Rule{NoTrustedLocation, LocationGap}},
		"one trusted":  {[]NamedLocation{lab, office}, []Rule{LocationGap}},
	} {
		s, err := Compile([]Policy{wise(locations([]string{"All"}, []string{"AllTrusted"}))}, nil, test.named...)
		if err != nil {
			t.Fatal(err)
		}
		if got := rulesOf(s.Lint(nil, nil, midsummer)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestLintSaysWhatIsTheCaseAndWhatToDo(t *testing.T) {
	s := mustCompile(t, wise(named("Windows pilot"), platforms([]Platform{Windows, MacOS}, nil), clientApps(Browser, MobileAppsAndDesktopClients),
		applicationsOf(Applications{IncludeApplications: []string{"All"}}), locations([]string{"All"}, []string{"Office", "AllTrusted"})))
	warnings := s.Lint([]Resource{{Name: "mail"}, {Name: "wiki"}, {Name: "blog"}, {Name: "mail"}}, func(resource string) bool { return resource == "wiki" }, midsummer)
	want := []string{
		`policy "Windows pilot": it applies to browsers, which prove possession only with device-bound session cookies (dbsc), which these resources do not accept: mail, blog; ` +
			`add dbsc to their proofs, or do not select browser (browser_without_dbsc)`,
		`policy "Windows pilot": it does not apply to linux, iOS, android, so that an unbound token from there, or from a client that claims to be there, passes; ` +
			`include all platforms, or add a policy for the others (platform_gap)`,
		`policy "Windows pilot": it does not apply to requests from Office, AllTrusted, so that an unbound token that is stolen and used from there passes; ` +
			`apply it everywhere, or add a policy for the others (location_gap)`,
	}
	if len(warnings) != len(want) {
		t.Fatalf("got %v", warnings)
	}
	for i, w := range warnings {
		if w.String() != want[i] || w.PolicyID != "windows-pilot" || w.PolicyName != "Windows pilot" {
			t.Errorf("got  %s (%s)\nwant %s", w, w.PolicyID, want[i])
		}
	}
}
