// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import "time"

// An entry is a kind that is being counted.
type entry struct {
	kind   Kind
	record *Record // what is written again with a new count; nil until Emit, not changed after
	count  int     // requests not yet written
	again  bool    // no Emit for an interval: the next request must build the record
	due    time.Time
	next   *entry
}

// add counts a request, and says whether its record is wanted.
func (e *entry) add() (emit bool) {
	e.count++
	emit = e.again
	e.again = false
	return emit
}

// take returns the number of requests to write, which then count as written.
func (e *entry) take() int {
	n := e.count
	e.count = 0
	return n
}

// A queue holds entries in the order they fall due: all wait for the same interval, so that is the order they came in.
type queue struct{ head, tail *entry }

func (q *queue) push(e *entry) {
	e.next = nil
	if q.head == nil {
		q.head = e
	} else {
		q.tail.next = e
	}
	q.tail = e
}

func (q *queue) pop() *entry {
	e := q.head
	q.head = e.next
	e.next = nil
	return e
}

// A tally is a record to write, and its count.
type tally struct {
	record *Record
	count  int
}

// batch is how many entries one hold of the lock looks at.
const batch = 256

// Start begins to write the counts as they fall due. It may be called once, before Stop.
func (a *Aggregator) Start() {
	if a.interval == 0 || a.done != nil {
		return
	}
	a.done = make(chan struct{})
	go a.run()
}

func (a *Aggregator) run() {
	defer close(a.done)
	timer := time.NewTimer(a.interval)
	defer timer.Stop()
	for {
		select {
		case <-a.stop:
			return
		case <-timer.C:
			timer.Reset(a.flushDue())
		}
	}
}

// Stop writes everything counted and returns once the goroutine of Start has ended. Requests that come later are written
// one by one. It may be called more than once.
func (a *Aggregator) Stop() {
	a.stopOnce.Do(func() {
		close(a.stop)
		if a.done != nil {
			<-a.done
		}
		a.mu.Lock()
		a.stopped = true
		a.mu.Unlock()
		for a.flush((*Aggregator).last) {
		}
	})
}

// flushDue writes what is due and returns how long to wait for the next. Entries that fall due within a fraction of the
// interval are left to be written together.
func (a *Aggregator) flushDue() time.Duration {
	now := a.now()
	for a.flush(func(a *Aggregator) (tally, bool) { return a.due(now) }) {
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := a.interval
	if e := a.queue.head; e != nil {
		wait = e.due.Sub(now)
	}
	return max(wait, a.interval/64, time.Millisecond)
}

// flush takes a batch of entries from the queue with next, and writes their tallies outside the lock. It says whether
// there may be more.
func (a *Aggregator) flush(next func(*Aggregator) (tally, bool)) (more bool) {
	tallies := make([]tally, 0, batch)
	a.mu.Lock()
	more = true
	for range batch {
		var t tally
		if t, more = next(a); !more {
			break
		}
		if t.count > 0 {
			tallies = append(tallies, t)
		}
	}
	a.mu.Unlock()
	written := Timestamp(a.now())
	for _, t := range tallies {
		r := *t.record
		r.ID = NewID()
		r.TimeGenerated = written
		r.RequestCount = t.count
		a.sink(r)
	}
	return more
}

// due takes the first entry off the queue if it is due at now. What was not idle goes back to the queue's end. The caller
// holds the lock.
func (a *Aggregator) due(now time.Time) (t tally, ok bool) {
	e := a.queue.head
	if e == nil || e.due.After(now) {
		return tally{}, false
	}
	a.queue.pop()
	if e.count == 0 || e.again {
		a.remove(e)
		return tally{}, true
	}
	if e.record == nil {
		e.again = true
	} else {
		t = tally{e.record, e.take()}
	}
	e.due = now.Add(a.interval)
	a.queue.push(e)
	return t, true
}

// last takes the first entry off the queue whether it is due or not, for good. An entry whose record is on its way stays
// in the map for Emit to find and remove.
func (a *Aggregator) last() (t tally, ok bool) {
	e := a.queue.head
	if e == nil {
		return tally{}, false
	}
	a.queue.pop()
	if e.record == nil {
		return tally{}, true
	}
	a.remove(e)
	return tally{e.record, e.take()}, true
}
