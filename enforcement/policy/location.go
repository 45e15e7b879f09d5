// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "slices"

// Graph's words in lists of locations.
const (
	allLocations = "All"
	allTrusted   = "AllTrusted"
)

// trustedLocation is the bit that stands for every trusted location; those of the named locations follow it.
const trustedLocation = 0

// locationSet is a set of such bits: room for maxLocations and trustedLocation.
type locationSet [(maxLocations + 1) / 64]uint64

func (s *locationSet) add(bit int) { s[bit/64] |= 1 << (bit % 64) }

func (s *locationSet) meets(other *locationSet) bool {
	for i := range s {
		if s[i]&other[i] != 0 {
			return true
		}
	}
	return false
}

// networks is a compiled location condition.
type networks struct {
	all              bool
	include, exclude locationSet
}

// compileNetworks compiles a condition whose locations are known.
func compileNetworks(l Locations, named []namedRanges) *networks {
	return &networks{
		all:     slices.Contains(l.IncludeLocations, allLocations),
		include: locationsNamed(l.IncludeLocations, named),
		exclude: locationsNamed(l.ExcludeLocations, named),
	}
}

func locationsNamed(names []string, named []namedRanges) (set locationSet) {
	for _, name := range names {
		if name == allTrusted {
			set.add(trustedLocation)
		} else if i := indexOfLocation(named, name); i >= 0 {
			set.add(i + 1)
		}
	}
	return set
}

// whereabouts is where a request comes from.
type whereabouts struct {
	known bool
	in    locationSet
}

// whereabouts looks the client's address up once for all policies.
func (s *Set) whereabouts(c *Context) (w whereabouts) {
	if s.asks&ConditionLocation == 0 || !c.Address.IsValid() {
		return w
	}
	w.known = true
	address := c.Address.Unmap().WithZone("")
	for i := range s.locations {
		if !s.locations[i].ranges.contain(address) {
			continue
		}
		w.in.add(i + 1)
		if s.locations[i].trusted {
			w.in.add(trustedLocation)
		}
	}
	return w
}

// everywhere says whether the condition holds for every address.
func (n *networks) everywhere() bool { return n.all && n.exclude == locationSet{} }

// match says whether the condition holds. What is not known is in scope.
func (n *networks) match(w *whereabouts) bool {
	switch {
	case !w.known:
		return true
	case n.exclude.meets(&w.in):
		return false
	}
	return n.all || n.include.meets(&w.in)
}
