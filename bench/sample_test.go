// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSampleIsPerRequest(t *testing.T) {
	before := meters{memory{Mallocs: 100, TotalAlloc: 1000}, time.Millisecond, 5000}
	after := meters{memory{Mallocs: 150, TotalAlloc: 5000}, 3 * time.Millisecond, 9000}
	reading := memory{Mallocs: 10, TotalAlloc: 2000}
	latencies := []time.Duration{10 * time.Microsecond, 20 * time.Microsecond, 30 * time.Microsecond, 40 * time.Microsecond}
	got := before.until(after, reading, 2*time.Second, latencies)
	want := Sample{CPU: 500, Instructions: 1000, Throughput: 2, Allocations: 10, Bytes: 500, P50: 25, P99: 39.7}
	if math.Abs(got.P99-want.P99) > 1e-9 {
		t.Errorf("99th percentile %v, want %v", got.P99, want.P99)
	}
	if got.P99 = want.P99; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadsMemoryFromDebugVars(t *testing.T) {
	for _, test := range []struct {
		name, body string
		status     int
		ok         bool
	}{
		{"as expvar writes it", `{"cmdline": ["caddy"], "memstats": {"Mallocs": 7, "TotalAlloc": 99, "BySize": [{"Size": 8}]}}`, 200, true},
		{"no memstats", `{"cmdline": []}`, 200, false},
		{"not JSON", `hello`, 200, false},
		{"refused", `{"memstats": {"Mallocs": 7}}`, 403, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/debug/vars" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			got, err := readMemory(strings.TrimPrefix(server.URL, "http://"))
			if (err == nil) != test.ok {
				t.Fatalf("got %+v, %v", got, err)
			}
			if test.ok && (got.Mallocs != 7 || got.TotalAlloc != 99) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
