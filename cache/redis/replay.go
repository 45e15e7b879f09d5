// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

// SetConfig describes a [Replay].
type SetConfig struct {
	// Name tells the sets in a store apart. Nodes share those of the same name.
	Name string
	// MaxPerKey is the number of proofs that one key may spend within Lifetime, at least 1.
	MaxPerKey int
	// Lifetime is the longest time for which a proof stays acceptable at one node after it has been recorded, above 0.
	// Where nodes disagree, proofs live as long as the longest of them.
	Lifetime time.Duration
	// Local is this node's own set. It has the last word on each proof, and the only one during an outage.
	Local *cache.Replay
}

// Replay is a set of spent proofs that nodes share. It does what [cache.Replay] does, and is safe for concurrent use.
type Replay struct {
	store     *Store
	local     *cache.Replay
	lifetime  time.Duration
	maxPerKey string
	window    string // Lifetime in milliseconds
	tags      []string

	generations []atomic.Pointer[generation] // by part
	epoch       atomic.Uint64                // the scope of all of them together; 0 until all are known
	begun       atomic.Int64                 // when the youngest of them began, in Unix nanoseconds by this node's clock
	floor       atomic.Int64                 // what Raise asked for

	replayed, overQuota atomic.Uint64

	mu sync.Mutex // of adopt
}

// generation is what a node knows of one part of a set.
type generation struct {
	statement
	spend, look string // names of the scripts
	ttl         string // of a proof, in milliseconds
}

// Set returns a set of spent proofs in the store, which looks after it until it is destructed.
func (s *Store) Set(config SetConfig) (*Replay, error) {
	var errs []error
	if config.Name == "" {
		errs = append(errs, errors.New("redis: set Name is empty"))
	}
	if config.MaxPerKey < 1 {
		errs = append(errs, fmt.Errorf("redis: set MaxPerKey is %d, must be at least 1", config.MaxPerKey))
	}
	if config.Lifetime <= 0 {
		errs = append(errs, fmt.Errorf("redis: set Lifetime is %s, must be above 0", config.Lifetime))
	}
	if config.Local == nil {
		errs = append(errs, errors.New("redis: set Local is missing"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	r := &Replay{
		store: s, local: config.Local, lifetime: config.Lifetime,
		maxPerKey:   strconv.Itoa(config.MaxPerKey),
		window:      strconv.FormatInt(config.Lifetime.Milliseconds(), 10),
		generations: make([]atomic.Pointer[generation], len(s.parts)),
	}
	for i := range s.parts {
		r.tags = append(r.tags, s.tag(config.Name, i))
	}
	s.enter(r)
	return r, nil
}

// Destruct takes the set out of its store; what it recorded stays there. The name is the one that pools of state use.
func (r *Replay) Destruct() error {
	r.store.leave(r)
	return nil
}

// life is how long a proof is kept: as long as a node whose clock is behind may accept it, and longer than a generation.
func (r *Replay) life() time.Duration { return r.lifetime + distance + generationLife }

// generationName is the key that holds a part's generation.
func (r *Replay) generationName(part int) string { return r.tags[part] + ":generation" }

// adopt makes what a server said the generation of a part. If it is a new one, everything recorded before it is lost.
func (r *Replay) adopt(part int, said statement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.generations[part].Load(); known != nil && known.value == said.value {
		return
	}
	g := &generation{statement: said, ttl: strconv.FormatInt(said.life.Milliseconds(), 10)}
	_, g.spend = bound(spendScript, said.server)
	_, g.look = bound(lookScript, said.server)
	// In this order: who spends a proof in the new generation must not be judged by the former.
	r.epoch.Store(0)
	r.begun.Store(max(r.begun.Load(), time.Now().Add(-said.age).UnixNano()))
	r.generations[part].Store(g)
	r.epoch.Store(r.scope())
}

// scope names all generations together; 0 if one of them is not known.
func (r *Replay) scope() uint64 {
	var all []string
	for i := range r.generations {
		g := r.generations[i].Load()
		if g == nil {
			return 0
		}
		all = append(all, g.value, "\n")
	}
	name := hashed(all...)
	var scope uint64
	for _, b := range []byte(name[:8]) {
		scope = scope<<8 | uint64(b)
	}
	return cmp.Or(scope&^ownScope, 1)
}

// Owes reports whether a proof that was accepted at the time since at the latest owes a nonce: it may have been spent
// before the youngest generation began, by the clock of any node; it claims a nonce that another node issued during an
// outage, and may have been accepted there; or there is an outage now.
func (r *Replay) Owes(since time.Time, claimed uint64) bool {
	if claimed&ownScope != 0 && claimed != r.store.node || r.fallback() {
		return true
	}
	return !since.After(time.Unix(0, r.begun.Load()).Add(distance)) || !since.After(time.Unix(0, r.floor.Load()))
}

// Trusts reports whether a genuine nonce of this time and scope shows that the proof which carries it has not been
// forgotten.
func (r *Replay) Trusts(issued time.Time, scope uint64) bool {
	switch {
	case scope == r.store.node:
		return r.local.Trusts(issued, scope)
	case r.fallback():
		return false
	}
	return scope == r.epoch.Load() && scope != 0 && issued.UnixNano() >= r.floor.Load()
}

// Scope is what new nonces are marked with: this node during an outage that they help over, else the generation.
func (r *Replay) Scope() uint64 {
	if epoch := r.epoch.Load(); epoch != 0 && !r.fallback() {
		return epoch
	}
	return r.store.node
}

// fallback reports whether proofs are accepted without the store now.
func (r *Replay) fallback() bool { return r.store.config.OnOutage == Nonce && r.store.outage() }

// Watermark returns the instant after which nothing has been forgotten, by the clock of a node that is off by no more
// than 15 seconds.
func (r *Replay) Watermark() time.Time {
	return time.Unix(0, max(r.begun.Load()+int64(15*time.Second), r.floor.Load()))
}

// Raise makes proofs owe a nonce that may have been spent until then without the store knowing.
func (r *Replay) Raise(watermark time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.floor.Store(max(r.floor.Load(), watermark.UnixNano()))
	r.local.Raise(watermark)
}

// Retention is the time for which a proof counts against its key's quota.
func (r *Replay) Retention() time.Duration { return r.local.Retention() }

// Stats returns the state of this node's own set, and what was refused by either.
func (r *Replay) Stats() cache.ReplayStats {
	stats := r.local.Stats()
	stats.Replayed += r.replayed.Load()
	stats.OverQuota += r.overQuota.Load()
	stats.Watermark = r.Watermark()
	return stats
}
