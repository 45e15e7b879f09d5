// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Outcome is the answer of [Replay.Spend].
type Outcome uint8

const (
	// Added: the proof is new and has been recorded. Of any number of racing copies exactly one gets this answer.
	Added Outcome = iota + 1
	// Replayed: the proof has been recorded before. Nothing was stored.
	Replayed
	// OverQuota: the proof is new, but its key has as many live ones as it may. Nothing was stored.
	OverQuota
	// Unavailable: a set that nodes share could not be asked. The proof may or may not have been recorded.
	Unavailable
	// Doubtful: a set that nodes share has lost what it knew, or cannot be asked, and the proof does not show that it
	// is younger. It needs a nonce of the present [Replay.Scope].
	Doubtful
)

// String returns the outcome's name in lower case.
func (o Outcome) String() string {
	switch o {
	case Added:
		return "added"
	case Replayed:
		return "replayed"
	case OverQuota:
		return "over quota"
	case Unavailable:
		return "unavailable"
	case Doubtful:
		return "doubtful"
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// ReplayConfig describes a [Replay].
type ReplayConfig struct {
	// MaxEntries bounds the memory: the number of proofs remembered at once, at least 1. An entry costs about 30 bytes.
	MaxEntries int
	// MaxPerKey is the number of proofs of one key remembered at once, at least 1, so that one device cannot fill the set.
	MaxPerKey int
	// Lifetime is the longest time for which a proof stays acceptable after it has been recorded, above 0. A proof is
	// remembered at least that long and at most a quarter longer.
	Lifetime time.Duration
	// Start is when remembering began, and the first watermark: of what was spent before, an empty memory knows nothing.
	// It should come from the same clock as the times given to the methods.
	Start time.Time
}

// Replay is the set of spent proofs. A proof is named by its key and an id that is unique for the key (RFC 9449,
// section 11.1); the text of the proof does not matter, because the same proof has several.
//
// Proofs are kept in generations by the time they were recorded at, and a generation is forgotten as a whole: when all
// its proofs have outlived Lifetime, or, the oldest first, when the set is full. In the second case they could still be
// replayed, so the watermark rises to the latest of them: whoever presents a proof from before the watermark has to show
// otherwise that it is fresh. What no longer fits is thus refused or asked about, never silently accepted.
type Replay struct {
	start      time.Time
	lifetime   time.Duration
	span       time.Duration // length of a generation's interval
	maxEntries int
	maxPerKey  int
	share      int // of maxEntries, for one generation

	// The lock at a position guards the shards at that position in all generations. The fields below are read under
	// any of the locks and written under all of them.
	locks   [shardCount]lock
	live    []*generation // oldest first; the last is the current one, to which proofs are added; never empty
	sealed  int           // number of proofs in all but the current one
	limit   int64         // number of proofs that the current one may hold for now: its share, or what is left of maxEntries
	expired int64         // latest time at which a proof was recorded that has been forgotten because it had expired

	current   atomic.Int64 // number of proofs in the current generation
	before    atomic.Int64 // copy of sealed for Stats, which takes no lock
	watermark atomic.Int64

	replayed, overQuota, overflows atomic.Uint64
}

// ReplayStats is what [Replay.Stats] returns.
type ReplayStats struct {
	Entries   int       // proofs remembered, expired ones whose generation has not gone yet included
	Replayed  uint64    // Add answered Replayed
	OverQuota uint64    // Add answered OverQuota
	Overflows uint64    // generations forgotten before their time, because the set was full
	Watermark time.Time // as Replay.Watermark
}

const (
	shardCount = 64
	// A Lifetime is divided into so many generations. More of them would follow Lifetime closer and lose less in an
	// overflow, but every new proof is looked for in all of them.
	generationsPerLifetime = 4
	// Generations end by time or because they have their share of the proofs. At most so many of either kind are live,
	// and the current one.
	maxLive = 2*generationsPerLifetime + 1
)

// A lock fills a cache line, so that cores working on neighbouring shards do not fight over it.
type lock struct {
	sync.Mutex
	_ [56]byte
}

// NewReplay returns an empty set. The error names every field of the configuration that is out of its bounds.
func NewReplay(config ReplayConfig) (*Replay, error) {
	var errs []error
	if config.MaxEntries < 1 {
		errs = append(errs, fmt.Errorf("cache: replay MaxEntries is %d, must be at least 1", config.MaxEntries))
	}
	if config.MaxPerKey < 1 {
		errs = append(errs, fmt.Errorf("cache: replay MaxPerKey is %d, must be at least 1", config.MaxPerKey))
	}
	if config.Lifetime <= 0 {
		errs = append(errs, fmt.Errorf("cache: replay Lifetime is %s, must be above 0", config.Lifetime))
	}
	if config.Start.IsZero() {
		errs = append(errs, errors.New("cache: replay Start is not set, must be the time at which remembering began"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}

	r := &Replay{
		start:    config.Start,
		lifetime: config.Lifetime,
		// Rounded up, so that four spans are never shorter than a lifetime.
		span:       (config.Lifetime-1)/generationsPerLifetime + 1,
		maxEntries: config.MaxEntries,
		maxPerKey:  config.MaxPerKey,
		share:      (config.MaxEntries-1)/generationsPerLifetime + 1,
		live:       []*generation{{}},
		expired:    math.MinInt64,
	}
	r.limit = int64(r.share)
	r.watermark.Store(config.Start.UnixNano())
	return r, nil
}

// Watermark returns the instant after which nothing has been forgotten: every proof recorded at a later time, and not
// expired, is still remembered. It never goes back. A proof may be dated later than it was recorded by as much as the
// clock skew that its verifier allows; the verifier has to add that when it compares a date instead of a nonce.
func (r *Replay) Watermark() time.Time {
	return time.Unix(0, r.watermark.Load())
}

// Raise raises the watermark to an instant up to which another set recorded proofs that this one does not know. It never
// lowers it.
func (r *Replay) Raise(watermark time.Time) { r.raise(watermark.UnixNano()) }

// Stats returns the state and the counts so far. It takes no lock.
func (r *Replay) Stats() ReplayStats {
	return ReplayStats{
		Entries:   int(r.before.Load() + r.current.Load()),
		Replayed:  r.replayed.Load(),
		OverQuota: r.overQuota.Load(),
		Overflows: r.overflows.Load(),
		Watermark: r.Watermark(),
	}
}
