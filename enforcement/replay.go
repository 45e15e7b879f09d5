// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
)

// Replay is the set of spent proofs.
type Replay = cache.Replay

// NewReplay returns an empty set for proofs that are accepted until maxAge
// after their iat, by clocks that are off by clockSkew. It holds maxEntries
// proofs, maxPerKey of one device key, and begins to remember at start: what
// may have been spent before needs a fresh server nonce.
func NewReplay(maxEntries, maxPerKey int, maxAge, clockSkew time.Duration, start time.Time) (*Replay, error) {
	return cache.NewReplay(cache.ReplayConfig{
		MaxEntries: maxEntries, MaxPerKey: maxPerKey,
		Lifetime: proof.Lifetime(maxAge, clockSkew), Start: start,
	})
}
