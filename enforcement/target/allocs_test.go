// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package target

import "testing"

// The race detector's own allocations would be counted too: hence the build constraint.
func TestHotPathAllocates(t *testing.T) {
	for _, m := range measured {
		t.Run(m.name, func(t *testing.T) {
			if !m.run() {
				t.Fatal("not the expected answer")
			}
			if got := testing.AllocsPerRun(100, func() { m.run() }); got > m.allocations {
				t.Errorf("%v allocations, expected at most %v", got, m.allocations)
			}
		})
	}
}
