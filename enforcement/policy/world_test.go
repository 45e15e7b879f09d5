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

var testResources = []Resource{
	{Name: "intranet", AppID: "11111111-1111-1111-1111-111111111111"},
	{Name: "mail", AppID: "00000002-0000-0ff1-ce00-000000000000"}, // Exchange under another name
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
