// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// NamedLocation is Graph's ipNamedLocation: a network that policies can name.
type NamedLocation struct {
	// ID is Graph's id. Policies that were exported name the location by it. Optional.
	ID string `json:"id,omitempty"`
	// DisplayName is the location's name. Required, and unlike every other name and id.
	DisplayName string `json:"displayName"`
	// IsTrusted makes the location one of those that policies call `AllTrusted`.
	IsTrusted bool `json:"isTrusted,omitempty"`
	// IPRanges are the networks. At least one is required, at most 2,000 are allowed.
	IPRanges []IPRange `json:"ipRanges"`
}

// IPRange is Graph's ipRange.
type IPRange struct {
	// CIDRAddress is a network of IPv4 or IPv6, such as `192.0.2.0/24` or `2001:db8::/32`. Bits after the prefix do not matter.
	CIDRAddress string `json:"cidrAddress"`
}

// The bounds on named locations: Entra allows 195 of them, with 2,000 ranges each.
const (
	maxLocations = 255
	maxRanges    = 2000
)

// LocationError is one mistake in one named location. Compile and NamedLocation.UnmarshalJSON return all of them joined
// (errors.Join).
type LocationError struct {
	// Location is the location's name, else its id, else its position.
	Location string
	// Member is the JSON path of the member at fault, such as ipRanges.cidrAddress.
	Member string
	// Problem says what was written and what is allowed.
	Problem string
}

func (e *LocationError) Error() string {
	return fmt.Sprintf("named location %q: %s: %s", e.Location, e.Member, e.Problem)
}

var locationShape = shape{
	"id":               {kind: kept},
	"displayName":      {kind: kept},
	"isTrusted":        {kind: kept},
	"ipRanges":         {kind: objects, members: shape{"cidrAddress": {kind: kept}}},
	"createdDateTime":  {kind: ignored},
	"modifiedDateTime": {kind: ignored},
	"deletedDateTime":  {kind: unsupported},
	// A countryNamedLocation. Without a database of countries it would match nothing.
	"countriesAndRegions":               {kind: unsupported},
	"includeUnknownCountriesAndRegions": {kind: ignored},
	"countryLookupMethod":               {kind: ignored},
}

// UnmarshalJSON reads one location in Graph's shape, as strictly as Policy.UnmarshalJSON reads a policy.
func (l *NamedLocation) UnmarshalJSON(document []byte) error {
	name := nameIn(document)
	r := reader{subject: "location", fail: func(member, problem string) error {
		return &LocationError{Location: name, Member: member, Problem: problem}
	}}
	if err := r.document(document, locationShape); err != nil {
		return err
	}
	type plain NamedLocation // without this method
	var parsed plain
	if err := json.Unmarshal(document, &parsed); err != nil {
		return fmt.Errorf("named location %q: %w", name, err)
	}
	*l = NamedLocation(parsed)
	return nil
}

// namedRanges is a compiled named location.
type namedRanges struct {
	id, name string
	trusted  bool
	ranges   ranges
}

// compileLocations checks the locations and compiles them. The error joins every mistake found, each a *LocationError.
func compileLocations(locations []NamedLocation) ([]namedRanges, error) {
	var problems []error
	if len(locations) > maxLocations {
		return nil, fmt.Errorf("there are %d named locations; allowed: at most %d", len(locations), maxLocations)
	}
	var named []namedRanges
	for i, l := range locations {
		title := l.DisplayName
		if title == "" {
			title = fmt.Sprintf("#%d", i+1)
		}
		problem := func(member, format string, args ...any) {
			problems = append(problems, &LocationError{title, member, fmt.Sprintf(format, args...)})
		}
		l.checkNames(named, problem)
		named = append(named, namedRanges{id: l.ID, name: l.DisplayName, trusted: l.IsTrusted, ranges: l.compile(problem)})
	}
	return named, errors.Join(problems...)
}

// checkNames checks the location's name and id, against those of the locations before it too.
func (l NamedLocation) checkNames(before []namedRanges, problem func(member, format string, args ...any)) {
	switch name := l.DisplayName; {
	case strings.TrimSpace(name) != name || name == "":
		problem("displayName", "%q is no name; expected one without space around it", name)
	case utf8.RuneCountInString(name) > maxNameLength:
		problem("displayName", "must not be longer than %d characters", maxNameLength)
	case strings.EqualFold(name, allLocations), strings.EqualFold(name, allTrusted):
		problem("displayName", "%q means something else in policies; choose another name", name)
	case indexOfLocation(before, name) >= 0:
		problem("displayName", "another named location has this name or id; they must be unique")
	}
	if l.ID != "" && l.ID != l.DisplayName && indexOfLocation(before, l.ID) >= 0 {
		problem("id", "another named location has %q as its name or id; they must be unique", l.ID)
	}
}

// compile returns the location's networks.
func (l NamedLocation) compile(problem func(member, format string, args ...any)) ranges {
	if len(l.IPRanges) == 0 || len(l.IPRanges) > maxRanges {
		problem("ipRanges", "the number of ranges is %d; allowed: 1 to %d", len(l.IPRanges), maxRanges)
		return nil
	}
	var all ranges
	for _, r := range l.IPRanges {
		prefix, err := netip.ParsePrefix(r.CIDRAddress)
		if err != nil || prefix.Addr().Is4In6() {
			problem("ipRanges.cidrAddress", "%q is not a network; expected one such as 192.0.2.0/24 or 2001:db8::/32", r.CIDRAddress)
			continue
		}
		all = append(all, rangeOf(prefix))
	}
	return all.merge()
}

// indexOfLocation returns the position of the location with that name or id, or -1.
func indexOfLocation(named []namedRanges, name string) int {
	name = foldGUID(name)
	return slices.IndexFunc(named, func(n namedRanges) bool { return foldGUID(n.name) == name || n.id != "" && foldGUID(n.id) == name })
}
