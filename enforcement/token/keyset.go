// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// How a key set behaves over time.
const (
	// RefreshEvery is how often a key set is fetched anew.
	RefreshEvery = 10 * time.Minute
	// StaleFor is how long a key set is still served after a refresh was due and failed.
	StaleFor = 15 * time.Minute
	// FetchPause is the shortest time between two fetches, whatever key ids are asked for.
	FetchPause = 30 * time.Second
	// fetchTimeout bounds one fetch, discovery included.
	fetchTimeout = 10 * time.Second
	// waitFor is how long a request waits for a fetch that is under way.
	waitFor = 5 * time.Second
	// maxCandidates bounds the signature checks that one token can cause.
	maxCandidates = 2
)

var (
	// ErrUnavailable says that the key set could not be had, so that nothing can be said of a token.
	ErrUnavailable = errors.New("key set unavailable")
	// ErrUnknownKey says that the key set is fresh and has no such key.
	ErrUnknownKey = errors.New("no such key in the key set")
	// errUnfit says that there is such a key, and that it is for other algorithms.
	errUnfit = fmt.Errorf("%w: does not fit the key that kid names", jose.ErrAlgorithm)
)

// source gets the bytes of a key set.
type source interface {
	fetch(ctx context.Context) ([]byte, error)
	// changed reports whether a fetch out of turn is worth it.
	changed() bool
	// close gives up what fetching holds.
	close()
}

// KeySet holds an issuer's keys and keeps them fresh in the background. A set
// is replaced whole: a key that the issuer withdrew is gone at once. A broken
// or empty answer never replaces a good set. It is safe for concurrent use.
type KeySet struct {
	name    string
	source  source
	current atomic.Pointer[snapshot]

	mu      sync.Mutex
	attempt time.Time     // when the last fetch began
	flight  chan struct{} // closed when the fetch under way ends; nil if none is
	lastErr error

	fetched, failed atomic.Uint64

	start  sync.Once
	stop   context.CancelFunc
	alive  context.Context
	worker sync.WaitGroup
}

// snapshot is one fetched key set.
type snapshot struct {
	keys    []*jose.Key
	prints  map[jose.Thumbprint]struct{}
	fetched time.Time
}

func newKeySet(name string, source source) *KeySet {
	ctx, cancel := context.WithCancel(context.Background())
	return &KeySet{name: name, source: source, alive: ctx, stop: cancel}
}

// Start fetches the key set in the background and keeps it fresh until
// [KeySet.Destruct]. Calling it again does nothing.
func (s *KeySet) Start() {
	s.start.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.alive.Err() == nil {
			s.worker.Go(s.refresh)
		}
	})
}

// Destruct stops the background work. It implements caddy.Destructor.
func (s *KeySet) Destruct() error {
	s.mu.Lock()
	s.stop()
	s.mu.Unlock() // from here on neither Start nor begin starts anything
	s.worker.Wait()
	s.source.close()
	return nil
}

// refresh fetches when a refresh is due, sooner after a failure, and when
// the source has changed.
func (s *KeySet) refresh() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	s.await(s.begin(time.Now()))
	for {
		select {
		case <-s.alive.Done():
			return
		case <-tick.C:
			now := time.Now()
			if s.due(now) || s.source.changed() {
				s.await(s.begin(now))
			}
		}
	}
}

func (s *KeySet) due(now time.Time) bool {
	held := s.current.Load()
	return held == nil || now.Sub(held.fetched) >= RefreshEvery
}

// begin starts a fetch unless one is under way or the last is too recent. It
// returns the channel that closes when the fetch ends, nil if there is none.
func (s *KeySet) begin(now time.Time) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight
	}
	if s.alive.Err() != nil || !s.attempt.IsZero() && now.Sub(s.attempt) < FetchPause && !s.source.changed() {
		return nil
	}
	s.attempt = now
	flight := make(chan struct{})
	s.flight = flight
	s.worker.Go(func() {
		err := s.load(now)
		s.mu.Lock()
		s.lastErr, s.flight = err, nil
		s.mu.Unlock()
		close(flight)
	})
	return flight
}

// load fetches once and replaces the set if the answer is a usable one.
func (s *KeySet) load(now time.Time) error {
	ctx, cancel := context.WithTimeout(s.alive, fetchTimeout)
	defer cancel()
	document, err := s.source.fetch(ctx)
	if err == nil {
		var keys []*jose.Key
		if keys, err = parseKeySet(document); err == nil {
			s.replace(keys, now)
			s.fetched.Add(1)
			return nil
		}
	}
	s.failed.Add(1)
	return err
}

func (s *KeySet) replace(keys []*jose.Key, now time.Time) {
	prints := make(map[jose.Thumbprint]struct{}, len(keys))
	for _, key := range keys {
		prints[key.Thumbprint] = struct{}{}
	}
	s.current.Store(&snapshot{keys: keys, prints: prints, fetched: now})
}

// await waits for a fetch, within bounds.
func (s *KeySet) await(flight <-chan struct{}) {
	if flight == nil {
		return
	}
	timer := time.NewTimer(waitFor)
	defer timer.Stop()
	select {
	case <-flight:
	case <-timer.C:
	case <-s.alive.Done():
	}
}

// live returns the set if it may still be served.
func (s *KeySet) live(now time.Time) *snapshot {
	held := s.current.Load()
	if held == nil || now.Sub(held.fetched) > RefreshEvery+StaleFor {
		return nil
	}
	return held
}

// Has reports whether a key is in the set at the time now.
func (s *KeySet) Has(key jose.Thumbprint, now time.Time) bool {
	held := s.live(now)
	if held == nil {
		return false
	}
	_, ok := held.prints[key]
	return ok
}

// Find returns the keys that a token with this kid and alg may be signed
// with. A kid that the set does not have causes a fetch, at most one per
// [FetchPause] whatever the kids say. The error is [ErrUnknownKey] where the
// set is known to be fresh, else [ErrUnavailable]; it wraps
// [jose.ErrAlgorithm] where the named key is not for alg.
func (s *KeySet) Find(kid string, alg jose.Algorithm, now time.Time) ([]*jose.Key, error) {
	return s.find(kid, alg, now, true)
}

// find is Find; without patience it starts a fetch and does not wait for it.
func (s *KeySet) find(kid string, alg jose.Algorithm, now time.Time, patient bool) ([]*jose.Key, error) {
	if held := s.live(now); held != nil {
		keys, err := held.find(kid, alg)
		if !errors.Is(err, ErrUnknownKey) || now.Sub(held.fetched) < FetchPause {
			return keys, err
		}
	}
	if flight := s.begin(now); patient {
		s.await(flight)
	}
	held := s.live(now)
	if held == nil {
		return nil, ErrUnavailable
	}
	keys, err := held.find(kid, alg)
	if !errors.Is(err, ErrUnknownKey) {
		return keys, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastErr != nil || s.flight != nil {
		return nil, ErrUnavailable
	}
	return nil, err
}

// find picks by kid, and without a kid only where one key alone fits: trying
// every key for every junk token would be a gift to a flood.
func (s *snapshot) find(kid string, alg jose.Algorithm) ([]*jose.Key, error) {
	var candidates []*jose.Key
	known := false
	for _, key := range s.keys {
		if kid != "" && key.ID != kid {
			continue
		}
		known = true
		if key.Fits(alg) == nil {
			candidates = append(candidates, key)
		}
	}
	switch {
	case len(candidates) == 0 && kid != "" && known:
		return nil, errUnfit
	case len(candidates) == 0, kid == "" && len(candidates) > 1:
		return nil, ErrUnknownKey
	}
	return candidates[:min(len(candidates), maxCandidates)], nil
}

// KeySetStatus is a key set's state for metrics and status pages.
type KeySetStatus struct {
	// Issuer is whose keys these are.
	Issuer string
	// Keys is the number of usable keys held.
	Keys int
	// Fetched is when they were fetched; the zero time if never.
	Fetched time.Time
	// Fetches and Failures count the fetches that succeeded and that failed.
	Fetches, Failures uint64
	// Err is why the last fetch failed, nil if it succeeded.
	Err error
}

// Status returns the state of the set.
func (s *KeySet) Status() KeySetStatus {
	status := KeySetStatus{Issuer: s.name, Fetches: s.fetched.Load(), Failures: s.failed.Load()}
	if held := s.current.Load(); held != nil {
		status.Keys, status.Fetched = len(held.keys), held.fetched
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	status.Err = s.lastErr
	return status
}
