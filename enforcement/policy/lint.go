// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Warning is advice about a policy that is legal and yet likely to lock people out, or to let somebody past.
type Warning struct {
	// PolicyID and PolicyName are the policy's.
	PolicyID   string
	PolicyName string
	// Rule is why it is given.
	Rule Rule
	// Text says what is the case, why it matters and what to do. It is one line and does not repeat the policy's name.
	Text string
}

func (w Warning) String() string {
	return fmt.Sprintf("policy %q: %s (%s)", w.PolicyName, w.Text, w.Rule)
}

// Rule is the reason of a Warning.
type Rule string

const (
	// NoBreakGlass: no user, group or role is excluded for good.
	NoBreakGlass Rule = "no_break_glass"
	// WholeOffice365: the target is the group Office365.
	WholeOffice365 Rule = "whole_office365"
	// ClientAppsNotConfigured: the policy applies to every kind of client.
	ClientAppsNotConfigured Rule = "client_apps_not_configured"
	// BrowserWithoutDBSC: browsers are in scope where they have no way to prove possession.
	BrowserWithoutDBSC Rule = "browser_without_dbsc"
	// GuestsIncluded: guests are in scope.
	GuestsIncluded Rule = "guests_included"
	// GuestKindsWidened: some kinds of guest are excluded, so that all are.
	GuestKindsWidened Rule = "guest_kinds_widened"
	// PlatformGap: unbound tokens from some platforms are out of scope.
	PlatformGap Rule = "platform_gap"
	// ExpiredExclusion: an exclusion has ended.
	ExpiredExclusion Rule = "expired_exclusion"
	// LocationGap: unbound tokens from some networks are out of scope.
	LocationGap Rule = "location_gap"
	// NoTrustedLocation: the policy speaks of trusted locations, and none is configured.
	NoTrustedLocation Rule = "no_trusted_location"
	// UnregisteredDeviceGap: unbound tokens from devices that are not registered are out of scope.
	UnregisteredDeviceGap Rule = "unregistered_device_gap"
	// ChangeableDeviceAttributes: the device filter rests on what the device's user can change.
	ChangeableDeviceAttributes Rule = "changeable_device_attributes"
)

// Lint returns what is unwise about the policies that are not off, policy by policy in the configured order. The resources
// are those of this configuration; nil stands for those that the Set was given. dbsc says whether a resource accepts
// device-bound session cookies, the proof that browsers have; nil stands for none. Now is the time by which exclusions have
// ended.
func (s *Set) Lint(resources []Resource, dbsc func(resource string) bool, now time.Time) []Warning {
	if resources == nil {
		resources = s.resources
	}
	var warnings []Warning
	for i, p := range s.source {
		if p.State == Off {
			continue
		}
		warn := func(rule Rule, format string, args ...any) {
			warnings = append(warnings, Warning{p.ID, p.DisplayName, rule, fmt.Sprintf(format, args...)})
		}
		lintUsers(permanent(p.Conditions.Users, p.TokenProtection.ExclusionExpiry), warn)
		lintExpiry(p.TokenProtection.ExclusionExpiry, now, warn)
		if slices.Contains(p.Conditions.Applications.IncludeApplications, Office365) {
			warn(WholeOffice365, "it targets the whole group Office365, so that a resource added to the group later is enforced without a pilot; "+
				"name the resources, such as exchange and sharepoint")
		}
		lintClients(p, s.withoutDBSC(i, resources, dbsc), warn)
		if gap := platformGap(s.policies[i].platforms); len(gap) > 0 {
			warn(PlatformGap, "it does not apply to %s, so that an unbound token from there, or from a client that claims to be there, passes; "+
				"include all platforms, or add a policy for the others", joinList(gap))
		}
		s.lintLocations(p.Conditions.Locations, warn)
		if p.Conditions.Devices.DeviceFilter != nil {
			lintDevices(s.policies[i].devices, warn)
		}
	}
	return warnings
}

type warn func(rule Rule, format string, args ...any)

func lintUsers(u Users, warn warn) {
	excludes := len(u.ExcludeGroups) + len(u.ExcludeRoles)
	for _, name := range u.ExcludeUsers {
		if name != guestUsers && name != noUsers {
			excludes++
		}
	}
	if excludes == 0 {
		warn(NoBreakGlass, "it excludes no emergency access account, so that a fault in device keys or in the issuer locks every administrator out; "+
			"exclude a break-glass user by immutable id, or a group of them")
	}
	kinds := u.ExcludeGuestsOrExternalUsers.kinds()
	guestsOut := len(kinds) > 0 || slices.Contains(u.ExcludeUsers, guestUsers)
	guestsIn := u.IncludeGuestsOrExternalUsers.any() ||
		slices.Contains(u.IncludeUsers, guestUsers) || slices.Contains(u.IncludeUsers, allUsers)
	if guestsIn && !guestsOut {
		warn(GuestsIncluded, "it includes guests, whose devices are registered with another organisation and may have no key that tokens here are bound to; "+
			"exclude guests, or try it in report-only first")
	}
	if missing := without(guestKinds, kinds); len(kinds) > 0 && len(missing) > 0 && !slices.Contains(u.ExcludeUsers, guestUsers) {
		warn(GuestKindsWidened, "it excludes only some kinds of guest, but a token does not say which kind its user is, so that %s pass too; "+
			"exclude a group instead, or accept that all guests are excluded", strings.Join(missing, ", "))
	}
}

func lintClients(p Policy, withoutDBSC []string, warn warn) {
	apps := p.Conditions.ClientAppTypes
	notConfigured := len(apps) == 0 || slices.Contains(apps, AllClientApps)
	if notConfigured {
		warn(ClientAppsNotConfigured, "it does not select client apps, so that it applies to every kind of client, those that cannot bind tokens included; "+
			"select mobileAppsAndDesktopClients (in a Caddyfile mobile_and_desktop)")
	}
	if !notConfigured && !slices.Contains(apps, Browser) {
		return
	}
	if len(withoutDBSC) > 0 {
		warn(BrowserWithoutDBSC, "it applies to browsers, which prove possession only with device-bound session cookies (dbsc), which these resources do not accept: %s; "+
			"add dbsc to their proofs, or do not select browser", strings.Join(withoutDBSC, ", "))
	}
}

// withoutDBSC returns the names of the resources that the i-th policy targets and that do not accept dbsc.
func (s *Set) withoutDBSC(i int, resources []Resource, dbsc func(string) bool) []string {
	var names []string
	for _, r := range resources {
		if s.policies[i].apps.match(r) && (dbsc == nil || !dbsc(r.Name)) && !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}

// platformGap returns the platforms of today's devices that are out of scope.
func platformGap(m mask) []Platform {
	var gap []Platform
	for _, p := range platformNames {
		if m&p.bit() == 0 {
			gap = append(gap, p)
		}
	}
	return gap
}

// without returns the values of list that are not in others.
func without(list, others []string) []string {
	var rest []string
	for _, value := range list {
		if !slices.Contains(others, value) {
			rest = append(rest, value)
		}
	}
	return rest
}
