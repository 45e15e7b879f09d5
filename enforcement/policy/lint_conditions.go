// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"time"
)

func lintExpiry(ends []ExclusionExpiry, now time.Time, warn warn) {
	for _, e := range ends {
		if !now.Before(e.end()) {
			warn(ExpiredExclusion, "its exclusion of %s ended (until %s) and no longer holds; remove it, or set a later day", e, e.Until)
		}
	}
}

func (s *Set) lintLocations(l Locations, warn warn) {
	trusted := slices.ContainsFunc(s.locations, func(n namedRanges) bool { return n.trusted })
	if named := slices.Concat(l.IncludeLocations, l.ExcludeLocations); slices.Contains(named, allTrusted) && !trusted {
		warn(NoTrustedLocation, "it speaks of all trusted locations (AllTrusted), but no named location is trusted; "+
			"mark those that are as trusted, or name the locations")
	}
	gap := "from " + strings.Join(l.ExcludeLocations, ", ")
	switch {
	case len(l.IncludeLocations) > 0 && !slices.Contains(l.IncludeLocations, allLocations):
		gap = "from outside of " + strings.Join(l.IncludeLocations, ", ")
	case len(l.ExcludeLocations) == 0:
		return
	}
	warn(LocationGap, "it does not apply to requests %s, so that an unbound token that is stolen and used from there passes; "+
		"apply it everywhere, or add a policy for the others", gap)
}

func lintDevices(d *devices, warn warn) {
	if !d.match(&Context{DeviceKnown: true}) {
		warn(UnregisteredDeviceGap, "its device filter leaves out devices that are not registered, so that an unbound token without a device passes; "+
			"write the rule so that they stay in scope: exclude with positive operators, or include with negative ones")
	}
	if d.rule.OnlyChangeable() {
		warn(ChangeableDeviceAttributes, "its device filter rests on the device's name, manufacturer or model alone, which the device's user can change; "+
			"combine it with an attribute that cannot be changed, such as trustType or an extension attribute")
	}
}
