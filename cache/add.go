// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"math"
	"time"
)

// Proof is what there is to know of a proof that is to be spent.
type Proof struct {
	// Key is the thumbprint of the key that signed it, and ID what is unique among that key's proofs.
	Key [32]byte
	ID  string
	// Name is [Identify] of the two.
	Name Identity
	// Scope and Issued are those of the server nonce that was demanded and found good; zero where none was.
	Scope  uint64
	Issued time.Time
}

// Seen reports whether the proof with this id by this key has been recorded and could still be replayed. It changes nothing.
func (r *Replay) Seen(key [32]byte, id string, now time.Time) bool {
	return r.look(Identify(&key, id), now)
}

// Add is [Replay.Spend] of the proof with this id by this key.
func (r *Replay) Add(key [32]byte, id string, now time.Time) Outcome {
	return r.spend(Identify(&key, id), now)
}

// Look reports whether the proof with this name has been recorded and could still be replayed. It is
// the cheap look before a signature is verified: what it finds is refused and counted, and only Spend decides otherwise.
func (r *Replay) Look(name Identity, now time.Time) bool {
	found := r.look(name, now)
	if found {
		r.replayed.Add(1)
	}
	return found
}

func (r *Replay) look(name Identity, now time.Time) bool {
	lock := &r.locks[name.shard()]
	lock.Lock()
	defer lock.Unlock()
	r.observe(now.UnixNano())
	found, _ := r.find(name, r.number(now))
	return found
}

// Spend records the proof as spent at the time now, unless it already is. Check and record are one step. Only Added
// permits the request; the caller then asks Owes again, because the watermark may have risen since it last looked.
func (r *Replay) Spend(proof Proof, now time.Time) Outcome { return r.spend(proof.Name, now) }

func (r *Replay) spend(name Identity, now time.Time) Outcome {
	outcome := r.add(name, now)
	switch outcome {
	case Replayed:
		r.replayed.Add(1)
	case OverQuota:
		r.overQuota.Add(1)
	}
	return outcome
}

// add is spend without its counters. What can be done under the proof's own lock is; when the list of generations has to
// change, it starts again under all of them.
func (r *Replay) add(proof Identity, now time.Time) Outcome {
	wall := now.UnixNano()
	lock := &r.locks[proof.shard()]
	lock.Lock()
	outcome, done := r.tryAdd(proof, now, wall)
	lock.Unlock()
	if done {
		return outcome
	}

	for i := range r.locks {
		r.locks[i].Lock()
	}
	r.advance(r.number(now))
	outcome, done = r.tryAdd(proof, now, wall)
	if !done {
		r.makeRoom()
		outcome, _ = r.tryAdd(proof, now, wall)
	}
	for i := range r.locks {
		r.locks[i].Unlock()
	}
	return outcome
}

// tryAdd adds the proof to the current generation. It does nothing and reports false if the current generation is over
// or full. The caller holds the proof's lock.
func (r *Replay) tryAdd(proof Identity, now time.Time, wall int64) (outcome Outcome, done bool) {
	r.observe(wall)
	number := r.number(now)
	current := r.live[len(r.live)-1]
	found, count := r.find(proof, number)
	switch {
	case found:
		return Replayed, true
	case count >= r.maxPerKey:
		return OverQuota, true
	case number > current.number:
		return 0, false
	case r.current.Add(1) > r.limit:
		r.current.Add(-1)
		return 0, false
	}
	current.shards[proof.shard()].record(proof, wall)
	return Added, true
}

// find reports whether the proof is in any generation that the one numbered number has not outlived, and, if not, how
// many proofs of its key are. The caller holds the proof's lock.
//
// In a large set every look is a cache miss. Within each of the three loops the looks do not wait for each other.
func (r *Replay) find(proof Identity, number int64) (found bool, count int) {
	var (
		shard = proof.shard()
		homes [maxLive]uint64 // what is where the next search will begin
		cells [maxLive]*Identity
	)
	for i, g := range r.live {
		if !outlived(g, number) {
			homes[i] = g.shards[shard].peek(proof.key | flags)
		}
	}
	for i, g := range r.live {
		if homes[i] == 0 {
			continue
		}
		cells[i] = g.shards[shard].byKey(proof)
		if cells[i] != nil && cells[i].key&counter != 0 {
			homes[i] = g.shards[shard].peek(proof.id)
		}
	}
	for i, g := range r.live {
		switch cell := cells[i]; {
		case cell == nil:
			continue
		case cell.key&counter == 0:
			found = cell.id == proof.id
			count++
		default:
			found = homes[i] != 0 && g.shards[shard].byID(proof)
			count += int(cell.id)
		}
		if found {
			return true, 0
		}
	}
	return false, count
}

// observe raises the watermark if at the wall clock time now a proof could be replayed that was forgotten as expired.
// That happens only if the wall clock was set back; proofs are dated by it, and become acceptable again.
// The caller holds a lock.
func (r *Replay) observe(now int64) {
	if r.expired != math.MinInt64 && now-int64(r.lifetime) < r.expired {
		r.raise(r.expired)
	}
}

// raise raises the watermark to the instant at.
func (r *Replay) raise(at int64) {
	for {
		old := r.watermark.Load()
		if at <= old || r.watermark.CompareAndSwap(old, at) {
			return
		}
	}
}
