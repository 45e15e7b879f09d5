// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// MemberError is one mistake in one policy. Compile and Policy.UnmarshalJSON return all of them joined (errors.Join).
type MemberError struct {
	// Policy is the policy's display name, else its id, else its position.
	Policy string
	// Member is the JSON path of the member at fault, such as conditions.users.includeUsers.
	Member string
	// Problem says what was written and what is allowed.
	Problem string
}

func (e *MemberError) Error() string {
	return fmt.Sprintf("policy %q: %s: %s", e.Policy, e.Member, e.Problem)
}

// Set is a list of compiled policies. It is immutable and safe for concurrent use.
type Set struct {
	policies []compiled
	source   []Policy
	// users, groups and roles number the values that policies name; words is the length of a set of such numbers.
	users, groups, roles map[string]int
	words                int
	// asks holds the conditions that some policy that is not off has configured.
	asks Conditions
	// ends says that some such policy has exclusions that end.
	ends      bool
	locations []namedRanges
	resources []Resource
	targets   map[string]target
}

// compiled is a policy as Evaluate wants it: every list has become a mask.
type compiled struct {
	identity   *Identity
	people     people
	platforms  mask
	clients    mask
	hardware   bool
	configured Conditions
	rollout    rollout
	locations  *networks // nil if not configured, as is devices
	devices    *devices
	apps       applications
}

// target says, for one resource, what each policy's application condition makes of it.
type target struct {
	matches   []bool // one per policy
	enforcing bool   // one of them is an enforced policy
}

// includes says whether the i-th policy targets the resource.
func (t target) includes(i int) bool { return t.matches != nil && t.matches[i] }

// Compile checks the policies and compiles them into a Set. The error joins every mistake found, each a *MemberError.
//
// A policy needs a name, an id and a state; an id and a name must be unique; the users and the applications must
// include something; lists must not hold empty values, nor one of Graph's words (`All`, `None`,
// `GuestsOrExternalUsers`, `Office365`) in another case or where it has no meaning, nor
// values with space around them; platforms, client apps and kinds of
// guest must be Graph's; an expiry must be that of an exclusion; the rollout share lies between 0 and 100; and secureSignInSession is enabled.
//
// With resources, an application must be the name or the application id of one of them or of WellKnown, one of Graph's
// words, or a GUID (an exported policy may name applications that are not served here). With nil resources, which
// is for a caller that does not know them yet, that check is left out: see Set.UnknownResources and Set.WithResources.
//
// A location must be one of Graph's words, or the name or the id of one of the named locations, which are checked too.
// Check is for a caller that does not know those yet.
func Compile(policies []Policy, resources []Resource, locations ...NamedLocation) (*Set, error) {
	named, err := compileLocations(locations)
	source, wrong := check(policies, func(v *validator, p Policy) {
		if resources != nil {
			v.known(p.Conditions.Applications, resources)
		}
		if err == nil {
			v.knownLocations(p.Conditions.Locations, named)
		}
	})
	if err := errors.Join(err, wrong); err != nil {
		return nil, err
	}
	s := &Set{
		users: map[string]int{}, groups: map[string]int{}, roles: map[string]int{},
		words:  1, // for the numbers that every Set has: see people.go
		source: source, locations: named,
	}
	for _, p := range s.source {
		c := s.compile(p)
		if p.State != Off {
			s.asks |= c.configured
			s.ends = s.ends || len(c.people.expiring) > 0
		}
		s.policies = append(s.policies, c)
	}
	return s.WithResources(resources), nil
}

// Check says what is wrong with the policies by themselves: all that Compile does, except that it knows neither resources
// nor named locations.
func Check(policies []Policy) error {
	_, err := check(policies, func(*validator, Policy) {})
	return err
}

// check returns the policies with their defaults filled in, and every mistake in them; further looks at what depends on
// the rest of the configuration.
func check(policies []Policy, further func(*validator, Policy)) ([]Policy, error) {
	var complete []Policy
	var problems []error
	names, ids := map[string]bool{}, map[string]bool{}
	for i, p := range policies {
		if p.ID == "" {
			p.ID = Slug(p.DisplayName)
		}
		if p.State == "" {
			p.State = ReportOnly
		}
		v := validator{policy: title(p, i)}
		v.identity(p, names, ids)
		v.check(p)
		further(&v, p)
		problems = append(problems, v.problems...)
		complete = append(complete, p)
	}
	return complete, errors.Join(problems...)
}

func (s *Set) compile(p Policy) compiled {
	c := compiled{
		identity:  &Identity{ID: p.ID, Name: p.DisplayName, State: p.State},
		people:    s.people(p.Conditions.Users, p.TokenProtection.ExclusionExpiry),
		apps:      compileApplications(p.Conditions.Applications),
		platforms: everything,
		clients:   everything,
		rollout:   newRollout(p),
		hardware:  p.TokenProtection.RequireHardwareKey,
		// Graph requires these two of every policy.
		configured: ConditionApplication | ConditionUsers,
	}
	if len(p.Conditions.Platforms.IncludePlatforms) > 0 {
		c.platforms = p.Conditions.Platforms.mask()
		c.configured |= ConditionDevicePlatform
	}
	if len(p.Conditions.ClientAppTypes) > 0 {
		c.clients = clientMask(p.Conditions.ClientAppTypes)
		c.configured |= ConditionClientType
	}
	if l := p.Conditions.Locations; len(l.IncludeLocations) > 0 {
		c.locations = compileNetworks(l, s.locations)
		c.configured |= ConditionLocation
	}
	if f := p.Conditions.Devices.DeviceFilter; f != nil {
		c.devices = compileDevices(*f)
		c.configured |= ConditionDeviceState
	}
	return c
}

// WithResources returns the same policies over other resources. The names in WellKnown are always known. A resource
// that the Set was not told of is matched by its name alone: a policy that names its application id does not find it. Of
// resources with the same name (one resource behind two sites), a policy that targets one targets all.
func (s *Set) WithResources(resources []Resource) *Set {
	with := *s
	with.resources = withWellKnown(resources)
	with.targets = make(map[string]target, len(with.resources))
	for _, r := range with.resources {
		t := target{matches: make([]bool, len(s.policies))}
		for i := range s.policies {
			p := &s.policies[i]
			t.matches[i] = p.apps.match(r) || with.targets[r.Name].includes(i)
			t.enforcing = t.enforcing || t.matches[i] && p.enforcing()
		}
		with.targets[r.Name] = t
	}
	return &with
}

// Len returns the number of policies: how many outcomes Evaluate appends.
func (s *Set) Len() int { return len(s.policies) }

// NeedsPlatform says whether some policy asks for the request's platform: else Context.Platform changes no outcome, and need
// not be found out.
func (s *Set) NeedsPlatform() bool { return s.asks&ConditionDevicePlatform != 0 }

// NeedsClientApp says whether some policy asks for the kind of client: else Context.ClientApp changes no outcome, and need
// not be found out.
func (s *Set) NeedsClientApp() bool { return s.asks&ConditionClientType != 0 }

// NeedsDevice says whether some policy asks for the device: else Context.Device and DeviceKnown change no outcome, and need
// not be found out.
func (s *Set) NeedsDevice() bool { return s.asks&ConditionDeviceState != 0 }

// NeedsAddress says whether some policy asks for the client's address: else Context.Address changes no outcome, and need not
// be found out.
func (s *Set) NeedsAddress() bool { return s.asks&ConditionLocation != 0 }

// UnknownResources returns, sorted, the applications that some policy includes or excludes and that are neither one of
// Graph's words, nor a GUID, nor the name or application id of one of known or of WellKnown: misspelt names, most
// likely.
func (s *Set) UnknownResources(known []Resource) []string {
	unknown := map[string]bool{}
	for _, p := range s.source {
		for _, name := range unknownApplications(p.Conditions.Applications, known) {
			unknown[name] = true
		}
	}
	return slices.Sorted(maps.Keys(unknown))
}

// Slug returns the default id of a policy with that display name: its letters and digits in lower case, and one hyphen
// for every run of anything else between them. It is empty if the name has neither letter nor digit.
func Slug(displayName string) string {
	var b strings.Builder
	gap := false
	for _, r := range displayName {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// title is what errors call the i-th policy.
func title(p Policy, i int) string {
	switch {
	case p.DisplayName != "":
		return p.DisplayName
	case p.ID != "":
		return p.ID
	}
	return fmt.Sprintf("#%d", i+1)
}
