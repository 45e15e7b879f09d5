// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import "hash/maphash"

// Identity names a spent proof in 16 bytes: eight for the key that signed it, three bits of which are flags of the
// [table], and eight for the key and its id together. The zero Identity names none. It means something to this process
// only.
type Identity struct {
	key uint64
	id  uint64
}

var seed = maphash.MakeSeed()

// Identify returns the name of the proof with this id by this key. It takes more time than a look into a small set, so
// whoever looks and then spends keeps it.
//
// The hash is keyed by the process and is not a cryptographic one, which would take more time than all the rest. It need
// not be: equal proofs have equal names, so that a spent proof is found whatever the hash does. A collision can only
// refuse a fresh proof, and needs an earlier one that agrees in both halves: by chance one in 2^64 for each earlier proof
// of the same key. Who does not know the seed cannot aim at one, least of all for a key that is not his.
func Identify(key *[32]byte, id string) Identity {
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(key[:])
	tag := h.Sum64()
	h.WriteString(id) // after a key of fixed length: no two proofs write the same bytes
	return Identity{key: tag&^flags | inUse, id: h.Sum64()}
}

// shard returns the position of the shards that hold the proof's key. The lowest bits do not vary, and the highest
// decide the place in the shard.
func (i Identity) shard() int {
	return int(i.key >> 3 % shardCount)
}
