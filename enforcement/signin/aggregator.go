// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"sync"
	"time"
)

// Config says how an [Aggregator] works.
type Config struct {
	// Interval is the time between two records of one kind; 0 writes every request.
	Interval time.Duration
	// MaxKinds bounds the kinds told apart at one time; 0 means 10000. A kept kind costs 1 to 4 KB.
	MaxKinds int
	// Sink writes a record. Required. It is called from several goroutines at once, never under the aggregator's lock.
	Sink func(Record)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// An Aggregator decides which requests are written to the sign-in log. For each request the caller fills a [Kind] and calls
// [Aggregator.Note]; only if that returns true it builds the [Record] and hands it to [Aggregator.Emit]. So the first
// request of a kind is logged at once and the ones that follow cost one map lookup; once per interval their number is
// written as one record, and a kind that was idle for an interval leaves.
//
// Memory and lines are bounded: at most MaxKinds kinds are told apart, of which those without a verified user, which
// anybody can bring about from any number of addresses, take at most half. Beyond that, requests are counted per
// resource and outcome, in records that name no user and no client.
type Aggregator struct {
	interval     time.Duration
	maxKinds     int
	maxAnonymous int
	sink         func(Record)
	now          func() time.Time

	stopOnce sync.Once
	stop     chan struct{}
	done     chan struct{} // nil until Start

	mu        sync.Mutex
	stopped   bool
	kinds     map[Kind]*entry
	queue     queue // all entries, by due time
	anonymous int   // entries without a user, folds aside
	told      int   // entries, folds aside
}

// New returns an aggregator that counts at once, and flushes from Start to Stop.
func New(config Config) *Aggregator {
	if config.MaxKinds <= 0 {
		config.MaxKinds = 10000
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Aggregator{
		interval:     max(config.Interval, 0),
		maxKinds:     config.MaxKinds,
		maxAnonymous: (config.MaxKinds + 1) / 2,
		sink:         config.Sink,
		now:          config.Now,
		stop:         make(chan struct{}),
		kinds:        make(map[Kind]*entry),
	}
}

// Note counts one request of kind k, and says whether the caller must build its record and call Emit now. It keeps
// nothing of k's strings.
func (a *Aggregator) Note(k *Kind) (emit bool) {
	if a.interval == 0 {
		return true
	}
	if k.long() {
		b := k.bounded()
		k = &b
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.kinds[*k]
	if e == nil {
		return a.admit(k)
	}
	return e.add()
}

// admit makes room for a new kind, or folds it. The caller holds the lock.
func (a *Aggregator) admit(k *Kind) (emit bool) {
	if a.stopped {
		return true // nobody would flush a count
	}
	if a.told < a.maxKinds && (k.User != "" || a.anonymous < a.maxAnonymous) {
		a.insert(k.owned())
		return true
	}
	f := k.folded()
	if e := a.kinds[f]; e != nil {
		return e.add()
	}
	a.insert(f.owned())
	return true
}

// Emit writes r, the record of a request for which Note returned true with the same k. The record's RequestCount is set
// here, and its strings are cut to their limits.
func (a *Aggregator) Emit(k *Kind, r Record) {
	r = r.bounded()
	r.RequestCount = 1
	if a.interval == 0 {
		a.sink(r)
		return
	}
	if k.long() {
		b := k.bounded()
		k = &b
	}
	a.mu.Lock()
	if e := a.waiting(k); e != nil {
		if e.kind.fold {
			r = r.folded()
		}
		r.RequestCount = e.take()
		kept := r.owned()
		e.record, e.again = &kept, false
		if a.stopped {
			delete(a.kinds, e.kind)
		}
	}
	a.mu.Unlock()
	a.sink(r)
}

// waiting returns the entry, k's own or the one it was folded into, whose record is still missing; nil if there is none.
func (a *Aggregator) waiting(k *Kind) *entry {
	for _, candidate := range [...]Kind{*k, k.folded()} {
		if e := a.kinds[candidate]; e != nil && e.record == nil {
			return e
		}
	}
	return nil
}

func (a *Aggregator) insert(k Kind) {
	e := &entry{kind: k, count: 1, due: a.now().Add(a.interval)}
	a.kinds[k] = e
	a.queue.push(e)
	a.account(k, 1)
}

func (a *Aggregator) remove(e *entry) {
	delete(a.kinds, e.kind)
	a.account(e.kind, -1)
}

func (a *Aggregator) account(k Kind, n int) {
	if k.fold {
		return
	}
	a.told += n
	if k.User == "" {
		a.anonymous += n
	}
}
