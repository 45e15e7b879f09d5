// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
)

// racers are connections to a server that serves the first n copies.
func racers(connections, n int, otherwise int) *generator {
	var left atomic.Int64
	left.Store(int64(n))
	one := func([]byte, request) (int, int, error) {
		if left.Add(-1) >= 0 {
			return http.StatusOK, bodySize, nil
		}
		return otherwise, 0, nil
	}
	g := new(generator)
	for range connections {
		g.exchanges = append(g.exchanges, one)
	}
	return g
}

func TestRaceCountsTheCopiesThatAreServed(t *testing.T) {
	for _, served := range []int{0, 1, 2, 8} {
		got, err := racers(8, served, http.StatusUnauthorized).race(request{want: http.StatusOK})
		if err != nil || got != served {
			t.Errorf("%d served: counted %d, %v", served, got, err)
		}
	}
}

func TestACopyIsServedOrRefusedAndNothingElse(t *testing.T) {
	if _, err := racers(8, 1, http.StatusInternalServerError).race(request{want: http.StatusOK}); err == nil {
		t.Error("a status that was not expected passed")
	}
	broken := &generator{exchanges: []exchange{func([]byte, request) (int, int, error) { return 0, 0, errors.New("broken") }}}
	if _, err := broken.race(request{want: http.StatusOK}); err == nil {
		t.Error("a broken connection passed")
	}
}
