// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

// cacheBytes bounds what one cache of a scanner keeps, counted by the text that values were decoded from.
const cacheBytes = 4 << 20

// A cache keeps what texts were decoded to. When it is full it begins anew. The zero value is ready to use.
type cache[T any] struct {
	values map[string]T
	bytes  int
}

// cached returns what decode makes of text, from the cache if it can. No text is the zero value; what cannot be decoded is
// not kept.
func cached[T any](c *cache[T], text []byte, decode func([]byte) (T, bool)) (value T, ok bool) {
	if text == nil {
		return value, true
	}
	if value, ok = c.values[string(text)]; ok {
		return value, true
	}
	if value, ok = decode(text); !ok {
		return value, false
	}
	const overhead = 64 // of an entry, whatever its text
	if c.values == nil || c.bytes > cacheBytes {
		c.values, c.bytes = make(map[string]T), 0
	}
	c.values[string(text)] = value
	c.bytes += len(text) + overhead
	return value, true
}
