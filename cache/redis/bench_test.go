// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkSpend is one round trip on loopback, one request at a time and sixteen at once for each processor.
func BenchmarkSpend(b *testing.B) {
	n := join(b, []*server{serve(b)})
	var number atomic.Int64
	spend := func() {
		i := number.Add(1)
		n.Add([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, strconv.FormatInt(i, 10), time.Now())
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			spend()
		}
	})
	b.Run("together", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				spend()
			}
		})
	})
}
