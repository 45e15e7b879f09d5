// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// correctnessBatch is how many requests are signed at a time: few enough to be sent while
// they are fresh.
const correctnessBatch = 20_000

// correct sends n fresh requests to the enforcing server, all of which must be
// served, and each of them once more, none of which may be; and n/100 whose
// copies race each other on all connections, of which exactly one may be
// served. The first answer that is wrong is returned as an error.
func (a *arena) correct(n int, say func(string, ...any)) error {
	g, err := a.generator(lane{enforce, plain, connections})
	if err != nil {
		return err
	}
	for sent := 0; sent < n; sent += correctnessBatch {
		_, requests, err := a.makers[fresh](min(correctnessBatch, n-sent))
		if err != nil {
			return err
		}
		if _, _, err := g.run(requests); err != nil {
			return fmt.Errorf("fresh proofs: %w", err)
		}
		for i := range requests {
			requests[i].want = http.StatusUnauthorized
		}
		if _, _, err := g.run(requests); err != nil {
			return fmt.Errorf("replayed proofs: %w", err)
		}
		say("correctness: %d fresh proofs accepted, and refused when they were replayed", sent+len(requests))
	}
	_, requests, err := a.makers[fresh](n / 100)
	if err != nil {
		return err
	}
	for _, r := range requests {
		served, err := g.race(r)
		if err != nil {
			return err
		}
		if served != 1 {
			return fmt.Errorf("of %d copies of one proof %d were served; expected 1", len(g.exchanges), served)
		}
	}
	say("correctness: of %d copies of each of %d proofs one was served", len(g.exchanges), len(requests))
	return nil
}

// race sends one request on all connections at once, and returns how many
// copies were served.
func (g *generator) race(r request) (served int, err error) {
	wire, refused := r.wire(), r
	refused.want = http.StatusUnauthorized
	statuses, failures := make([]int, len(g.exchanges)), make([]error, len(g.exchanges))
	var group sync.WaitGroup
	for i, exchange := range g.exchanges {
		group.Go(func() {
			var length int
			statuses[i], length, failures[i] = exchange(wire, r)
			if failures[i] == nil && r.check(statuses[i], length) != nil {
				failures[i] = refused.check(statuses[i], length)
			}
		})
	}
	group.Wait()
	for _, status := range statuses {
		if status == http.StatusOK {
			served++
		}
	}
	return served, errors.Join(failures...)
}
