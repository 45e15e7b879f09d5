// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"math"
	"time"
)

// number returns the number of the generation that now falls into. It is derived from the time since Start, so that the
// monotonic clock governs where the caller's clock has one. When that clock was set back, the number is below the
// current generation's, and nothing happens: proofs go on being recorded into the current generation, which outlives
// them all the longer.
func (r *Replay) number(now time.Time) int64 {
	return int64(now.Sub(r.start) / r.span)
}

// outlived reports whether all proofs of the generation g have expired in the generation numbered number: g ended at
// least four spans, and so a lifetime, ago.
func outlived(g *generation, number int64) bool {
	return g.number < number-generationsPerLifetime
}

// advance makes the generation numbered number the current one, and forgets those that it has outlived.
// The caller holds all locks.
func (r *Replay) advance(number int64) {
	if number > r.live[len(r.live)-1].number {
		r.seal(number)
	}
	for len(r.live) > 1 && outlived(r.live[0], number) {
		r.expired = max(r.expired, r.forgetOldest())
	}
	r.resize()
}

// makeRoom makes the current generation able to take one more proof, at the cost of the oldest ones if the set is full.
// The caller holds all locks.
func (r *Replay) makeRoom() {
	if current := r.live[len(r.live)-1]; r.current.Load() >= int64(r.share) {
		r.seal(current.number)
	}
	for r.sealed+int(r.current.Load()) >= r.maxEntries {
		r.raise(r.forgetOldest())
		r.overflows.Add(1)
	}
	r.resize()
}

// seal ends the current generation and starts one numbered number. The caller holds all locks.
func (r *Replay) seal(number int64) {
	last := r.live[len(r.live)-1]
	if r.current.Load() == 0 {
		last.number = number
		return
	}
	next := &generation{number: number}
	for i := range next.shards {
		next.shards[i].expect = last.shards[i].used
	}
	r.sealed += int(r.current.Swap(0))
	r.live = append(r.live, next)
}

// forgetOldest forgets the oldest generation, which is not the current one, and returns the latest time at which one of
// its proofs was recorded. The caller holds all locks.
func (r *Replay) forgetOldest() (last int64) {
	last = math.MinInt64
	for i := range r.live[0].shards {
		shard := &r.live[0].shards[i]
		r.sealed -= shard.entries
		if shard.entries > 0 {
			last = max(last, shard.last)
		}
	}
	r.live[0] = nil
	r.live = r.live[1:]
	return last
}

// resize recomputes what depends on the number of sealed proofs. The caller holds all locks.
func (r *Replay) resize() {
	r.limit = int64(min(r.share, r.maxEntries-r.sealed))
	r.before.Store(int64(r.sealed))
}
