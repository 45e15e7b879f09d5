// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestAKeyIsFoundByItsOwnHeaderAlone(t *testing.T) {
	c, err := NewKeyCache(2)
	if err != nil {
		t.Fatal(err)
	}
	c.add("header", DeviceKey{Algorithm: "ES256"})
	if key, ok := c.get("header"); !ok || key.Algorithm != "ES256" {
		t.Errorf("found %v, %+v", ok, key)
	}
	for _, other := range []string{"", "heade", "headers", "Header"} {
		if _, ok := c.get(other); ok {
			t.Errorf("%q: found", other)
		}
	}
	if _, err := NewKeyCache(0); err == nil {
		t.Error("a cache without room is accepted")
	}
}

// What is kept for a key does not grow with the header that it came in.
func TestHeadersAreNotKept(t *testing.T) {
	const count = 1000
	c, err := NewKeyCache(count)
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	for i := range count {
		c.add(fmt.Sprint(i, strings.Repeat("x", maxCachedHeader)), DeviceKey{})
	}
	if each := (heap() - before) / count; each > 400 {
		t.Errorf("%d octets for each", each)
	}
	runtime.KeepAlive(c)
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
