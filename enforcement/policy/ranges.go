// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"
)

// ranges are addresses from first to last, each inclusive; sorted and apart from each other once merged.
type ranges []addressRange

type addressRange struct{ first, last netip.Addr }

// rangeOf returns the addresses of a network.
func rangeOf(p netip.Prefix) addressRange {
	first := p.Masked().Addr()
	last := first.AsSlice()
	for bit := p.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	end, _ := netip.AddrFromSlice(last) // as long as first's bytes, which were one
	return addressRange{first, end}
}

// merge sorts the ranges and joins those that overlap.
func (r ranges) merge() ranges {
	slices.SortFunc(r, func(a, b addressRange) int { return a.first.Compare(b.first) })
	var merged ranges
	for _, next := range r {
		if n := len(merged); n > 0 && !merged[n-1].last.Less(next.first) {
			if merged[n-1].last.Less(next.last) {
				merged[n-1].last = next.last
			}
			continue
		}
		merged = append(merged, next)
	}
	return merged
}

// contain says whether the address, which has no zone and is not an IPv4 address in IPv6, is in one of the merged ranges.
func (r ranges) contain(address netip.Addr) bool {
	i, found := slices.BinarySearchFunc(r, address, func(candidate addressRange, address netip.Addr) int {
		return candidate.first.Compare(address)
	})
	// The last range that does not begin after the address.
	return found || i > 0 && !r[i-1].last.Less(address)
}
