// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// noveltySize is how many users and keys a Novelty remembers.
const noveltySize = 10_000

// Novelty tells what is news about users and keys from what was seen before.
// It is bounded: what it has not seen for long is news again. It is safe for
// concurrent use.
type Novelty struct {
	failing *cache.LRU[string, struct{}]        // users who failed before
	owners  *cache.LRU[jose.Thumbprint, string] // whose key it was
}

// NewNovelty returns one to which everything is news.
func NewNovelty() (*Novelty, error) {
	failing, err := cache.NewLRU[string, struct{}](noveltySize)
	if err != nil {
		return nil, err
	}
	owners, err := cache.NewLRU[jose.Thumbprint, string](noveltySize)
	if err != nil {
		return nil, err
	}
	return &Novelty{failing, owners}, nil
}

// FirstFailure reports whether the user was not seen to fail before. It takes
// the user's immutable id, or the name of one who has none; of a user who is
// not known, nothing is news.
func (n *Novelty) FirstFailure(user string) bool {
	if user == "" {
		return false
	}
	_, before := n.failing.Get(user)
	n.failing.Add(user, struct{}{})
	return !before
}

// SharedKey reports whether the key, of which the user has proved possession,
// was another user's when it was last seen.
func (n *Novelty) SharedKey(key jose.Thumbprint, user string) bool {
	if user == "" {
		return false
	}
	before, known := n.owners.Get(key)
	n.owners.Add(key, user)
	return known && before != user
}
