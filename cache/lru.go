// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// LRU is a cache of at most a fixed number of entries that forgets the least recently used one to make room. Nothing in
// it expires: a value that is good only for a time carries that time itself, and its reader checks it.
type LRU[K comparable, V any] struct {
	// The plain cache and not the library's expirable one, whose goroutine can never be stopped.
	entries *lru.Cache[K, V]

	hits, misses, evictions atomic.Uint64
}

// LRUStats counts what happened to an [LRU] since it was made.
type LRUStats struct {
	Hits      uint64 // Get found its key
	Misses    uint64 // Get did not
	Evictions uint64 // entries that made room for another; removed ones do not count
}

// NewLRU returns an empty cache for at most size entries. It refuses a size below 1.
func NewLRU[K comparable, V any](size int) (*LRU[K, V], error) {
	if size < 1 {
		return nil, fmt.Errorf("cache: size is %d, must be at least 1", size)
	}
	entries, err := lru.New[K, V](size)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &LRU[K, V]{entries: entries}, nil
}

// Get returns the value stored under key, and whether there is one.
func (c *LRU[K, V]) Get(key K) (V, bool) {
	value, found := c.entries.Get(key)
	if found {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
	return value, found
}

// Add stores value under key in place of what was there, and counts as a use of it.
func (c *LRU[K, V]) Add(key K, value V) {
	if c.entries.Add(key, value) {
		c.evictions.Add(1)
	}
}

// Remove forgets key, if it is there.
func (c *LRU[K, V]) Remove(key K) {
	c.entries.Remove(key)
}

// Len returns the number of entries.
func (c *LRU[K, V]) Len() int {
	return c.entries.Len()
}

// Stats returns the counts so far.
func (c *LRU[K, V]) Stats() LRUStats {
	return LRUStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Evictions: c.evictions.Load()}
}
