// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package nonce

import "testing"

// Not under the race detector, which makes sync.Pool forget at random.
func TestCheckDoesNotAllocate(t *testing.T) {
	s := newSource(t, "dpop", first, second)
	nonce := s.Issue(now)
	if n := testing.AllocsPerRun(1000, func() { s.Check(nonce, now) }); n != 0 {
		t.Errorf("Check: %v allocations, want none", n)
	}
	if n := testing.AllocsPerRun(1000, func() { s.Issue(now) }); n > 1 {
		t.Errorf("Issue: %v allocations, want the string only", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	s := newSource(b, "dpop", first, second)
	nonce := s.Issue(now)
	b.ReportAllocs()
	for b.Loop() {
		s.Check(nonce, now)
	}
}

func BenchmarkIssue(b *testing.B) {
	s := newSource(b, "dpop", first)
	b.ReportAllocs()
	for b.Loop() {
		s.Issue(now)
	}
}
