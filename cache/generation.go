// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

// A generation holds the proofs recorded in one interval of time, and is forgotten as a whole. It is divided into
// shards like the locks of its [Replay], by key, so that all proofs of a key and their number are under one lock.
type generation struct {
	number int64 // its interval starts number spans after Start
	shards [shardCount]shard
}

// A shard holds the proofs of the keys that fall into it.
//
// Every key that has a proof has one cell in the table that is found by the key alone. As long as there is one proof,
// as with most keys, the cell holds its id. With the second it becomes a counter, and the ids get cells of their own.
// So one look is enough to know that a key has no proof here.
type shard struct {
	table
	entries int   // number of proofs
	last    int64 // latest wall clock time, in Unix nanoseconds, at which one was recorded; meaningless while there is none
}

// record adds a proof that the shard does not hold.
func (s *shard) record(proof Identity, now int64) {
	if s.entries == 0 || now > s.last {
		s.last = now
	}
	s.entries++

	cell := s.byKey(proof)
	if cell == nil {
		s.insert(Identity{key: proof.key | ofKey, id: proof.id})
		return
	}
	if cell.key&counter == 0 {
		first := Identity{key: proof.key, id: cell.id}
		cell.key |= counter
		cell.id = 2
		s.insert(first)
	} else {
		cell.id++
	}
	s.insert(proof)
}
