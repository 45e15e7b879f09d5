// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// This file is a second implementation of the semantics, written from the design's section 7 over Policy itself, without
// masks, tables or shared code.

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
