// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// hashed is the first half of a SHA-256 hash, see the package comment.
func hashed(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
	}
	return string(h.Sum(nil)[:16])
}

// keyName names the sorted set of a device key's proofs. Its hash tag is that of the generation.
func (r *Replay) keyName(part int, key *[32]byte) string {
	return r.tags[part] + ":" + hashed("key", string(key[:]))
}

// proofName names a proof within its key's set.
func proofName(key *[32]byte, id string) string { return hashed("proof", string(key[:]), id) }

// tag begins the names of a set's keys in one hash slot.
func (s *Store) tag(set string, part int) string {
	return s.config.Prefix + "{" + strconv.Itoa(part) + "}:" + set
}

// partOf spreads the device keys over the hash slots.
func (s *Store) partOf(key *[32]byte) int {
	return int(binary.BigEndian.Uint32(key[:]) % uint32(len(s.parts)))
}
