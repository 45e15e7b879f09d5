// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
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
func NewReplay(maxEntries, maxPerKey int, maxAge, clockSkew time.Duration, start time.Time) (*cache.Replay, error) {
	return cache.NewReplay(cache.ReplayConfig{
		MaxEntries: maxEntries, MaxPerKey: maxPerKey,
		Lifetime: proof.Lifetime(maxAge, clockSkew), Start: start,
	})
}
