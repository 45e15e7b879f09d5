// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package octet tells quickly whether a text keeps to an alphabet: tokens and
// proofs are the longest headers of a request, and all of their octets are
// looked at before anything is made of them.
package octet

// Set says of each octet whether it is outside: 1 if so, 0 if it is in the
// set. Numbers and not booleans, because those of several octets can be joined
// without a branch.
type Set [256]uint8

// SetOf returns the set of these octets.
func SetOf(octets string) *Set {
	s := new(Set)
	for i := range s {
		s[i] = 1
	}
	for i := range len(octets) {
		s[octets[i]] = 0
	}
	return s
}

// Has reports whether the octet is in the set.
func (s *Set) Has(octet byte) bool { return s[octet] == 0 }

// HasAll reports whether every octet of the text is in the set.
func (s *Set) HasAll(text string) bool {
	for len(text) >= 8 {
		if s[text[0]]|s[text[1]]|s[text[2]]|s[text[3]]|s[text[4]]|s[text[5]]|s[text[6]]|s[text[7]] != 0 {
			return false
		}
		text = text[8:]
	}
	for i := range len(text) {
		if s[text[i]] != 0 {
			return false
		}
	}
	return true
}
