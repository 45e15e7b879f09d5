// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"testing"
)

// BenchmarkInspect is what every request to a protected site costs.
func BenchmarkInspect(b *testing.B) {
	s := newSite(b)
	r := s.enrolled().request(http.MethodGet, "/")
	r.Header.Add("Cookie", "theme=dark; lang=en; _ga=GA1.2.3.4")
	b.ReportAllocs()
	for b.Loop() {
		if state := s.nodes[0].Inspect(r, s.now); state.Status != Bound {
			b.Fatal(state.Status)
		}
	}
}
