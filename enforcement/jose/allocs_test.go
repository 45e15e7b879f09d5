// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package jose

import "testing"

// The race detector's own allocations would be counted too: hence the build constraint.
func TestHotPathAllocates(t *testing.T) {
	for _, m := range measured {
		t.Run(m.name, func(t *testing.T) {
			run := m.prepare(t)
			if err := run(); err != nil {
				t.Fatal(err)
			}
			if got := testing.AllocsPerRun(100, func() { _ = run() }); got > m.allocations {
				t.Errorf("%v allocations, expected at most %v", got, m.allocations)
			}
		})
	}
}
