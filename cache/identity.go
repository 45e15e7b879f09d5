// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import "hash/maphash"

// identity names a spent proof in 16 bytes: eight for the key that signed it, three bits of which are flags of the
// [table], and eight for the key and its id together.
type identity struct {
	key uint64
	id  uint64
}

// identify returns the name of the proof with this id by this key.
//
// The hash is keyed by the process and is not a cryptographic one, which would take more time than all the rest. It need
// not be: equal proofs have equal names, so that a spent proof is found whatever the hash does. A collision can only
// refuse a fresh proof, and needs an earlier one that agrees in both halves: by chance one in 2^64 for each earlier proof
// of the same key. Who does not know the seed cannot aim at one, least of all for a key that is not his.
func identify(seed maphash.Seed, key *[32]byte, id string) identity {
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(key[:])
	tag := h.Sum64()
	h.WriteString(id) // after a key of fixed length: no two proofs write the same bytes
	return identity{key: tag&^flags | inUse, id: h.Sum64()}
}

// shard returns the position of the shards that hold the proof's key. The lowest bits do not vary, and the highest
// decide the place in the shard.
func (i identity) shard() int {
	return int(i.key >> 3 % shardCount)
}
