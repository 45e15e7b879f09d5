// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"slices"
	"testing"
)

// newTestGenerator opens connections to a backend, without a server between.
func newTestGenerator(t *testing.T) *generator {
	t.Helper()
	b, err := newBackend()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	g, err := newGenerator(b.address(), plain, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	return g
}

func TestGeneratorSendsEveryRequest(t *testing.T) {
	g := newTestGenerator(t)
	for range 2 { // the connections stay open
		took, latencies, err := g.run(slices.Repeat([]request{{want: http.StatusOK}}, 50))
		if err != nil || took <= 0 || len(latencies) != 50 {
			t.Fatalf("%v, %d latencies, %v", took, len(latencies), err)
		}
		if !slices.IsSorted(latencies) || latencies[0] <= 0 {
			t.Errorf("latencies from %v to %v", latencies[0], latencies[49])
		}
	}
}

func TestWrongStatusFailsTheRun(t *testing.T) {
	requests := slices.Repeat([]request{{want: http.StatusOK}}, 50)
	requests[30].want = http.StatusUnauthorized
	if _, _, err := newTestGenerator(t).run(requests); err == nil {
		t.Error("a status that was not expected passed")
	}
}

func TestServedMeansServedByTheBackend(t *testing.T) {
	for _, test := range []struct {
		name           string
		want           int
		status, length int
		ok             bool
	}{
		{"served", 200, 200, bodySize, true},
		{"an empty answer that Caddy made up", 200, 200, 0, false},
		{"refused", 401, 401, 300, true},
		{"refused where it should be served", 200, 401, 300, false},
		{"served where it should be refused", 401, 200, bodySize, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := (request{want: test.want}).check(test.status, test.length); (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}
