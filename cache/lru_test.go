// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"strings"
	"sync"
	"testing"
)

func TestLRURefusesSizesBelowOne(t *testing.T) {
	for _, size := range []int{0, -1} {
		if _, err := NewLRU[string, int](size); err == nil || !strings.Contains(err.Error(), "at least 1") {
			t.Errorf("size %d: error is %v, want one that names the least size", size, err)
		}
	}
}

func TestLRUForgetsTheLeastRecentlyUsed(t *testing.T) {
	c := newLRU(t, 2)
	c.Add("a", 1)
	c.Add("b", 2)
	c.Get("a")
	c.Add("c", 3)

	for key, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, found := c.Get(key); found != want {
			t.Errorf("%q found: %t, want %t", key, found, want)
		}
	}
	if c.Len() != 2 {
		t.Errorf("%d entries, want 2", c.Len())
	}
}

func TestLRUReplacesAndRemoves(t *testing.T) {
	c := newLRU(t, 2)
	c.Add("a", 1)
	c.Add("a", 2)
	if value, found := c.Get("a"); !found || value != 2 {
		t.Errorf("a is %d, %t, want the newer value", value, found)
	}
	c.Remove("a")
	c.Remove("never there")
	if _, found := c.Get("a"); found || c.Len() != 0 {
		t.Error("a is still there after Remove")
	}
}

func TestLRUCounts(t *testing.T) {
	c := newLRU(t, 1)
	c.Get("a") // miss
	c.Add("a", 1)
	c.Get("a")    // hit
	c.Get("a")    // hit
	c.Add("a", 2) // replaces, evicts nothing
	c.Add("b", 1) // evicts a
	c.Remove("b") // not an eviction
	c.Get("b")    // miss
	if got, want := c.Stats(), (LRUStats{Hits: 2, Misses: 2, Evictions: 1}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

func TestLRUIsSafeForConcurrentUse(t *testing.T) {
	const workers, rounds, size = 8, 500, 10
	c, err := NewLRU[int, int](size)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range rounds {
				c.Add(i%20, i)
				c.Get(i % 15)
				c.Remove(i % 7)
			}
		})
	}
	group.Wait()
	if stats := c.Stats(); stats.Hits+stats.Misses != workers*rounds {
		t.Errorf("%d hits and %d misses, want %d in all", stats.Hits, stats.Misses, workers*rounds)
	}
	if c.Len() > size {
		t.Errorf("%d entries, want at most %d", c.Len(), size)
	}
}

func newLRU(t *testing.T, size int) *LRU[string, int] {
	t.Helper()
	c, err := NewLRU[string, int](size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
