// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// workload describes how many proofs each key signs.
var workloads = []struct {
	name   string
	perKey int
}{
	{"OneProofPerKey", 1},
	{"ThreeProofsPerKey", 3},
	{"ThousandProofsPerKey", 1000},
}

// keyOf returns the n-th of a sequence of thumbprints.
func keyOf(n int) [32]byte {
	return sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

// fill records count proofs evenly over a lifetime and returns their set and the heap bytes that it holds.
func fill(tb testing.TB, count, perKey int) (*Replay, float64) {
	tb.Helper()
	before := heap()
	r, err := NewReplay(ReplayConfig{MaxEntries: 2 * count, MaxPerKey: 2 * perKey, Lifetime: lifetime, Start: start})
	if err != nil {
		tb.Fatal(err)
	}
	step := lifetime / time.Duration(count+1)
	keys := (count + perKey - 1) / perKey
	for i := range count {
		if got := r.Add(keyOf(i%keys), strconv.Itoa(i), start.Add(time.Duration(i)*step)); got != Added {
			tb.Fatalf("proof %d is %v, want added", i, got)
		}
	}
	return r, float64(heap()-before) / float64(count)
}

// heap returns the bytes in use after a full collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

const million = 1_000_000

// BenchmarkReplayAdd adds to a set of about a million live proofs that old ones leave as new ones come, as in service.
func BenchmarkReplayAdd(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			r, bytes := fill(b, million, w.perKey)
			step := lifetime / million
			keys := million / w.perKey
			tags := make([][32]byte, keys)
			ids := make([]string, 1<<20)
			for i := range tags {
				tags[i] = keyOf(i)
			}
			for i := range ids {
				ids[i] = "AbCdEf0123456789-" + strconv.Itoa(i)
			}
			now := start.Add(lifetime)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(step)
				r.Add(tags[n%keys], ids[n%len(ids)], now)
				n++
			}
			b.ReportMetric(bytes, "bytes/entry")
			b.ReportMetric(float64(r.Stats().Entries), "entries")
		})
	}
}

// BenchmarkReplaySeen looks for proofs that are not there, as for every good request.
func BenchmarkReplaySeen(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			r, _ := fill(b, million, w.perKey)
			now := start.Add(lifetime)
			keys := million / w.perKey
			tags := make([][32]byte, keys)
			for i := range tags {
				tags[i] = keyOf(i)
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				r.Seen(tags[n%keys], "not there 0123456789", now)
				n++
			}
		})
	}
}

// BenchmarkReplayGC measures full collections beside a million live proofs.
func BenchmarkReplayGC(b *testing.B) {
	r, _ := fill(b, million, 1)
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(r)
}

// BenchmarkReplayStats measures what a scrape of the metrics costs.
func BenchmarkReplayStats(b *testing.B) {
	r, _ := fill(b, 1000, 1)
	for b.Loop() {
		r.Stats()
	}
}

// BenchmarkIdentity measures the part of Seen and Add that does not depend on the set.
func BenchmarkIdentity(b *testing.B) {
	key := keyOf(1)
	for b.Loop() {
		Identify(&key, "AbCdEf0123456789-12345")
	}
}
