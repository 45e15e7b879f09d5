// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/cache/redis"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
)

// Replay is a set of spent proofs, this process's own or one that nodes share.
type Replay interface {
	proof.Spent
	dbsc.Memory
	// Raise makes proofs owe a nonce that may have been spent until then
	// without this set knowing.
	Raise(watermark time.Time)
}

// NewReplay returns an empty set for proofs that are accepted until maxAge
// after their iat, by clocks that are off by clockSkew. It holds maxEntries
// proofs, maxPerKey of one device key, and begins to remember at start: what
// may have been spent before needs a fresh server nonce.
func NewReplay(maxEntries, maxPerKey int, maxAge, clockSkew time.Duration, start time.Time) (*LocalReplay, error) {
	return cache.NewReplay(cache.ReplayConfig{
		MaxEntries: maxEntries, MaxPerKey: maxPerKey,
		Lifetime: proof.Lifetime(maxAge, clockSkew), Start: start,
	})
}

// What is behind a set of spent proofs, see the packages that it comes from.
type (
	LocalReplay    = cache.Replay
	SharedReplay   = redis.Replay
	ReplayStats    = cache.ReplayStats
	ReplayStore    = redis.Store
	ReplayConfig   = redis.Config
	ReplayLocation = redis.Location
)

// AcceptOwnNonces is the posture in which a node survives an outage of the
// store with nonces of its own. Without it nothing is accepted then.
const AcceptOwnNonces = redis.Nonce

// ParseReplayURL reads where the store is; see [redis.ParseURL].
func ParseReplayURL(text string, resolve func(string) (string, error)) (ReplayLocation, error) {
	return redis.ParseURL(text, resolve)
}

// NewReplayStore returns a store that is not connected yet; see [redis.New].
func NewReplayStore(config ReplayConfig) (*ReplayStore, error) { return redis.New(config) }

// ShareReplay returns a set for such proofs that the nodes with this store
// share, in front of which stands the node's own.
func ShareReplay(store *ReplayStore, name string, maxPerKey int, maxAge, clockSkew time.Duration, local *LocalReplay) (*SharedReplay, error) {
	return store.Set(redis.SetConfig{Name: name, MaxPerKey: maxPerKey, Lifetime: proof.Lifetime(maxAge, clockSkew), Local: local})
}
