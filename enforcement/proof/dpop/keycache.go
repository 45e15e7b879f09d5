// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"hash/maphash"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// DeviceKey is what a proof's header says, parsed: the same bytes come with
// every proof of a device.
type DeviceKey struct {
	Algorithm jose.Algorithm
	Key       *jose.Key
}

// KeyCache remembers device keys by the raw header segment of their proofs, of
// which it keeps only a hash: the segment is larger than the key. The hash is
// keyed by the process, so nobody can aim at another's. Were two headers to
// share one, a chance of one in 2^64 for each pair, the later one's proofs
// would be refused: the key that is found must still be the confirmed one, and
// the signature must verify with it.
type KeyCache struct {
	seed maphash.Seed
	keys *cache.LRU[uint64, DeviceKey]
}

// NewKeyCache returns a cache of size device keys, at least one.
func NewKeyCache(size int) (*KeyCache, error) {
	keys, err := cache.NewLRU[uint64, DeviceKey](size)
	if err != nil {
		return nil, err
	}
	return &KeyCache{seed: maphash.MakeSeed(), keys: keys}, nil
}

// Len returns the number of keys.
func (c *KeyCache) Len() int { return c.keys.Len() }

// Stats returns the counts so far.
func (c *KeyCache) Stats() cache.LRUStats { return c.keys.Stats() }

func (c *KeyCache) get(segment string) (DeviceKey, bool) {
	return c.keys.Get(maphash.String(c.seed, segment))
}

func (c *KeyCache) add(segment string, key DeviceKey) {
	c.keys.Add(maphash.String(c.seed, segment), key)
}
