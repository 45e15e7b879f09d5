// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy/filter"
)

// maxNameLength bounds ids and display names, in characters: they travel in every sign-in record.
const maxNameLength = 256

// guestKinds are Graph's conditionalAccessGuestOrExternalUserTypes.
var guestKinds = []string{
	"internalGuest", "b2bCollaborationGuest", "b2bCollaborationMember", "b2bDirectConnectUser", "otherExternalUser",
	"serviceProvider",
}

// validator collects the mistakes of one policy.
type validator struct {
	policy   string
	problems []error
}

func (v *validator) problem(member, format string, args ...any) {
	v.problems = append(v.problems, &MemberError{Policy: v.policy, Member: member, Problem: fmt.Sprintf(format, args...)})
}

// identity checks the policy's name and id, against those of the policies before it too.
func (v *validator) identity(p Policy, names, ids map[string]bool) {
	switch {
	case p.DisplayName == "":
		v.problem("displayName", "must not be empty")
	case utf8.RuneCountInString(p.DisplayName) > maxNameLength:
		v.problem("displayName", "must not be longer than %d characters", maxNameLength)
	case names[p.DisplayName]:
		v.problem("displayName", "another policy has this name; names must be unique")
	}
	switch {
	case p.ID == "" && p.DisplayName != "":
		v.problem("id", "must be given: the name %q has no letter or digit to make one of", p.DisplayName)
	case utf8.RuneCountInString(p.ID) > maxNameLength && p.ID != Slug(p.DisplayName): // else the name is reported
		v.problem("id", "must not be longer than %d characters", maxNameLength)
	case p.ID != "" && ids[p.ID]:
		v.problem("id", "another policy has the id %q; ids must be unique (default: the slug of the name)", p.ID)
	}
	names[p.DisplayName] = true
	ids[p.ID] = true
}

// check checks everything about a policy that needs no look at others.
func (v *validator) check(p Policy) {
	if p.State != On && p.State != Off && p.State != ReportOnly {
		v.problem("state", "%q is not a state; allowed: %s, %s, %s", p.State, On, Off, ReportOnly)
	}
	v.users(p.Conditions.Users)
	v.applications(p.Conditions.Applications)
	v.platforms(p.Conditions.Platforms)
	oneOf(v, "conditions.clientAppTypes", p.Conditions.ClientAppTypes, clientAppTypes)
	v.locations(p.Conditions.Locations)
	if f := p.Conditions.Devices.DeviceFilter; f != nil {
		v.deviceFilter(*f)
	}
	if !p.SessionControls.SecureSignInSession.IsEnabled {
		v.problem("sessionControls.secureSignInSession", "must be enabled: token protection is the only control that is enforced here")
	}
	v.expiry(p.Conditions.Users, p.TokenProtection.ExclusionExpiry)
	if share := p.TokenProtection.RolloutPercent; share != nil && (*share < 0 || *share > 100) {
		v.problem("tokenProtection.rolloutPercent", "%d is out of range; allowed: 0 to 100", *share)
	}
}

func (v *validator) users(u Users) {
	const path = "conditions.users."
	v.words(path+"includeUsers", u.IncludeUsers, allUsers, noUsers, guestUsers)
	v.alone(path+"includeUsers", u.IncludeUsers, noUsers)
	v.words(path+"excludeUsers", u.ExcludeUsers, noUsers, guestUsers)
	v.forbidden(path+"excludeUsers", u.ExcludeUsers, allUsers)
	v.words(path+"includeGroups", u.IncludeGroups)
	v.words(path+"excludeGroups", u.ExcludeGroups)
	v.words(path+"includeRoles", u.IncludeRoles)
	v.words(path+"excludeRoles", u.ExcludeRoles)
	v.guests(path+"includeGuestsOrExternalUsers", u.IncludeGuestsOrExternalUsers)
	v.guests(path+"excludeGuestsOrExternalUsers", u.ExcludeGuestsOrExternalUsers)
	if len(u.IncludeUsers)+len(u.IncludeGroups)+len(u.IncludeRoles) == 0 && !u.IncludeGuestsOrExternalUsers.any() {
		v.problem(path+"includeUsers", "the policy includes nobody; include users, groups, roles or guests, or %q", allUsers)
	}
}

func (v *validator) guests(member string, g *GuestsOrExternalUsers) {
	if g != nil && g.GuestOrExternalUserTypes != "" {
		oneOf(v, member+".guestOrExternalUserTypes", splitList(g.GuestOrExternalUserTypes), append([]string{"none"}, guestKinds...))
	}
}

func (v *validator) applications(a Applications) {
	const path = "conditions.applications."
	v.words(path+"includeApplications", a.IncludeApplications, allApplications, noApplications, Office365)
	v.alone(path+"includeApplications", a.IncludeApplications, noApplications)
	v.words(path+"excludeApplications", a.ExcludeApplications, noApplications, Office365)
	v.forbidden(path+"excludeApplications", a.ExcludeApplications, allApplications)
	if len(a.IncludeApplications) == 0 {
		v.problem(path+"includeApplications", "the policy includes no resource; include some, or %q", allApplications)
	}
}

func (v *validator) platforms(p Platforms) {
	const path = "conditions.platforms."
	oneOf(v, path+"includePlatforms", p.IncludePlatforms, append([]Platform{AllPlatforms}, platformNames...))
	oneOf(v, path+"excludePlatforms", p.ExcludePlatforms, platformNames)
	if len(p.ExcludePlatforms) > 0 && len(p.IncludePlatforms) == 0 {
		v.problem(path+"includePlatforms", "must include something to exclude from, such as %q", AllPlatforms)
	}
}

func (v *validator) locations(l Locations) {
	const path = "conditions.locations."
	v.words(path+"includeLocations", l.IncludeLocations, allLocations, allTrusted)
	v.words(path+"excludeLocations", l.ExcludeLocations, allTrusted)
	v.forbidden(path+"excludeLocations", l.ExcludeLocations, allLocations)
	if len(l.ExcludeLocations) > 0 && len(l.IncludeLocations) == 0 {
		v.problem(path+"includeLocations", "must include something to exclude from, such as %q", allLocations)
	}
}

func (v *validator) deviceFilter(f DeviceFilter) {
	const path = "conditions.devices.deviceFilter."
	if f.Mode != IncludeDevices && f.Mode != ExcludeDevices {
		v.problem(path+"mode", "%q is not a mode; allowed: %s, %s", f.Mode, IncludeDevices, ExcludeDevices)
	}
	if _, err := filter.Parse(f.Rule); err != nil {
		v.problem(path+"rule", "%v", err)
	}
}

// knownLocations checks that every location is configured.
func (v *validator) knownLocations(l Locations, named []namedRanges) {
	v.knownLocation("conditions.locations.includeLocations", l.IncludeLocations, named)
	v.knownLocation("conditions.locations.excludeLocations", l.ExcludeLocations, named)
}

func (v *validator) knownLocation(member string, names []string, named []namedRanges) {
	for _, name := range names {
		if name == "" || strings.EqualFold(name, allLocations) || strings.EqualFold(name, allTrusted) || indexOfLocation(named, name) >= 0 {
			continue
		}
		var known []string
		for _, location := range named {
			known = append(known, location.name)
		}
		if known == nil {
			known = []string{"none"}
		}
		v.problem(member, "%q is not a named location; known: %s; also allowed: %s, %s", name, strings.Join(known, ", "), allLocations, allTrusted)
	}
}

// known checks that every application is one that this configuration can have.
func (v *validator) known(a Applications, resources []Resource) {
	for _, name := range unknownApplications(Applications{IncludeApplications: a.IncludeApplications}, resources) {
		v.unknownApplication("conditions.applications.includeApplications", name, resources)
	}
	for _, name := range unknownApplications(Applications{ExcludeApplications: a.ExcludeApplications}, resources) {
		v.unknownApplication("conditions.applications.excludeApplications", name, resources)
	}
}

func (v *validator) unknownApplication(member, name string, resources []Resource) {
	var names []string
	for _, r := range withWellKnown(resources) {
		names = append(names, r.Name)
	}
	v.problem(member, "%q is not a resource here; known: %s; also allowed: %s, %s, application ids",
		name, strings.Join(names, ", "), allApplications, Office365)
}

// words refuses empty values, and Graph's words in a case that is not theirs: they would be taken for a name that
// nobody has, and the policy would silently apply to nobody.
func (v *validator) words(member string, values []string, words ...string) {
	for _, value := range values {
		switch trimmed := strings.TrimSpace(value); {
		case trimmed == "":
			v.problem(member, "must not hold an empty value")
		case trimmed != value:
			v.problem(member, "%q must not have space around it; values are compared exactly", value)
		}
		for _, word := range words {
			if value != word && strings.EqualFold(value, word) {
				v.problem(member, "%q must be written %q", value, word)
			}
		}
	}
}

// alone refuses a word that contradicts whatever stands beside it in the list.
func (v *validator) alone(member string, values []string, word string) {
	if len(values) > 1 && slices.Contains(values, word) {
		v.problem(member, "%q must stand alone", word)
	}
}

// forbidden refuses a word that would empty the policy, in any case.
func (v *validator) forbidden(member string, values []string, word string) {
	for _, value := range values {
		if strings.EqualFold(value, word) {
			v.problem(member, "%q would exclude everything; use state %q instead", value, Off)
		}
	}
}

// oneOf refuses every value that is not one of the allowed.
func oneOf[T ~string](v *validator, member string, values, allowed []T) {
	for _, value := range values {
		if !slices.Contains(allowed, value) {
			v.problem(member, "%q is unknown; allowed: %s", string(value), joinList(allowed))
		}
	}
}

func joinList[T ~string](values []T) string {
	var b strings.Builder
	for i, value := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(value))
	}
	return b.String()
}

// splitList splits one of Graph's comma-separated strings.
func splitList(s string) []string {
	if s == "" {
		return nil
	}
	values := strings.Split(s, ",")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return values
}
