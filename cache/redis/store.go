// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
)

// Store is a connection to Redis or Valkey. It is safe for concurrent use.
type Store struct {
	config Config
	// node is the scope of the nonces that this node alone trusts.
	node     uint64
	parts    []*part
	inFlight chan struct{}
	failures atomic.Uint64

	begin, end sync.Once
	stopped    context.Context
	stop       context.CancelFunc
	running    sync.WaitGroup

	dialing sync.Mutex
	client  atomic.Pointer[connection] // nil while there is none

	down atomic.Int64 // number of parts that do not answer

	mu       sync.Mutex
	closed   bool
	sets     []*Replay
	reported bool // that the store does not answer
}

// ownScope is the bit that tells a node's scope from a generation's.
const ownScope = 1 << 63

// New returns a store that is not connected yet. The error names every field of the configuration that is wrong, and
// shows no secret.
func New(config Config) (*Store, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	config.deadline = cmp.Or(config.deadline, Deadline)
	var node [8]byte
	_, _ = rand.Read(node[:]) // crypto/rand.Read never returns an error
	s := &Store{config: config, node: binary.BigEndian.Uint64(node[:]) | ownScope, inFlight: make(chan struct{}, maxInFlight)}
	s.stopped, s.stop = context.WithCancel(context.Background())
	number := 1
	if config.Cluster {
		number = clusterParts
	}
	for i := range number {
		s.parts = append(s.parts, &part{store: s, number: i})
	}
	return s, nil
}

// Start begins to look after the store, once. It does not wait for it.
func (s *Store) Start() {
	s.begin.Do(func() {
		for _, p := range s.parts {
			s.spawn(p.watch)
		}
	})
}

// spawn runs f in a goroutine that Close waits for, unless the store is closed.
func (s *Store) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Go(f)
	}
	return !s.closed
}

// Close ends what Start began and closes the connections. It returns when nothing runs any more.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.running.Wait()
	s.end.Do(func() {
		if c := s.client.Load(); c != nil {
			c.Close()
		}
	})
}

// Destruct is Close, by the name that pools of state use.
func (s *Store) Destruct() error {
	s.Close()
	return nil
}

// Status is what there is to know of a store.
type Status struct {
	Up       bool   // it answered last time, all of it
	Failures uint64 // times that it stopped answering
}

// Status returns the state and the count so far.
func (s *Store) Status() Status {
	up := s.down.Load() == 0
	for _, p := range s.parts {
		up = up && p.state.Load() == answers
	}
	return Status{Up: up, Failures: s.failures.Load()}
}

// outage reports whether a part of the store does not answer.
func (s *Store) outage() bool { return s.down.Load() > 0 }

// connected returns the client, and connects if there is none. Only checks come here.
func (s *Store) connected() (*connection, error) {
	s.dialing.Lock()
	defer s.dialing.Unlock()
	if c := s.client.Load(); c != nil {
		return c, nil
	}
	client, err := connect(&s.config)
	if err != nil {
		return nil, err
	}
	c := &connection{client}
	s.client.Store(c)
	return c, nil
}

// drop lets go of a client that failed: its other connections may be broken without knowing it, and each would cost a
// request. A cluster's client is kept, for only one of its servers has failed.
func (s *Store) drop(c *connection) {
	if !s.config.Cluster && c != nil && s.client.CompareAndSwap(c, nil) && !s.spawn(c.Close) {
		c.Close()
	}
}

// enter adds a set that is to be looked after.
func (s *Store) enter(r *Replay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets = append(s.sets, r)
}

// leave takes a set out.
func (s *Store) leave(r *Replay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets = slices.DeleteFunc(s.sets, func(other *Replay) bool { return other == r })
}

// all returns the sets.
func (s *Store) all() []*Replay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sets)
}

// report tells when the store as a whole stops answering or answers again.
func (s *Store) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	failing := err != nil
	if failing == s.reported || !failing && s.outage() || s.stopped.Err() != nil {
		return
	}
	s.reported = failing
	if s.config.Report != nil {
		s.config.Report(err)
	}
}
