// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import "bytes"

// smallObject is how many names the objects that are open may have together before the innermost one keeps its names in a
// map. Up to there names are compared one by one, and only when the filter below cannot tell them apart.
const smallObject = 64

// nameSet finds out whether an object has a member name twice. Its first names are among the scanner's, from base on; a
// large object's are in a map, so that many members do not cost quadratic time.
type nameSet struct {
	base   int
	filter [4]uint64 // one bit per name, chosen by its hash: a clear bit proves that the name is new
	large  map[string]struct{}
}

// add returns false if the object has the name already.
func (n *nameSet) add(s *scanner, name []byte) bool {
	if n.large != nil {
		return n.addLarge(name)
	}
	hash := nameHash(name)
	word, bit := hash>>6&3, uint64(1)<<(hash&63)
	if n.filter[word]&bit != 0 {
		for _, known := range s.names[n.base:s.named] {
			if bytes.Equal(known, name) {
				return false
			}
		}
	}
	n.filter[word] |= bit
	if s.named < len(s.names) {
		s.names[s.named] = name
		s.named++
		return true
	}
	n.large = make(map[string]struct{})
	for _, known := range s.names[n.base:s.named] {
		n.large[alias(known)] = struct{}{}
	}
	s.named = n.base
	return n.addLarge(name)
}

// addLarge is add for an object whose names are in the map.
func (n *nameSet) addLarge(name []byte) bool {
	before := len(n.large)
	n.large[alias(name)] = struct{}{}
	return len(n.large) > before
}

// nameHash is FNV-1a. It needs no seed: names that collide only cost a comparison with each of a small object's names.
func nameHash(name []byte) uint32 {
	hash := uint32(2166136261)
	for _, c := range name {
		hash = (hash ^ uint32(c)) * 16777619
	}
	return hash
}
