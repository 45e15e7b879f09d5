// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// fills are how many spent proofs servers are to remember.
var fills = map[string]int{million: 1_000_000, millions: 4_000_000}

// mebibyte is 2^20 bytes.
const mebibyte = 1 << 20

// stand is what the state of a server costs at rest: figures of one value, by
// the server's name.
type stand map[string][]FigureReport

// prepare fills the replay sets and the caches of those servers that are
// compared when they are full, and takes their measure.
func (a *arena) prepare(scenarios []Scenario, say func(string, ...any)) (stand, error) {
	measured := stand{}
	for server, entries := range fills {
		if a.servers[server] == nil {
			continue
		}
		bytes, err := a.fill(server, entries, say)
		if err != nil {
			return nil, err
		}
		pause, err := a.collections(empty, server)
		if err != nil {
			return nil, err
		}
		measured[server] = []FigureReport{
			single("bytes of heap for one entry", bytes, 48),
			single("milliseconds more for a full collection", pause, 1),
		}
	}
	if slices.ContainsFunc(scenarios, func(s Scenario) bool { return s.runs(multitude) }) {
		heap, err := a.acquaint(multitude)
		if err != nil {
			return nil, err
		}
		measured[multitude] = []FigureReport{single("MiB of heap with 100,000 tokens and keys", heap, 200)}
	}
	return measured, nil
}

// single is a figure of one value.
func single(name string, value, goal float64) FigureReport {
	return FigureReport{Name: name, Spread: Spread{value, value, value}, Goal: goal}
}

// fill makes a server remember n spent proofs.
func (a *arena) fill(server string, n int, say func(string, ...any)) (bytesPerEntry float64, err error) {
	g, err := a.generator(lane{server, plain, connections})
	if err != nil {
		return 0, err
	}
	var before memory
	const batch = 20_000
	for sent := 0; sent <= n; sent += batch {
		if sent == batch { // the caches are warm
			if before, err = a.servers[server].collect(); err != nil {
				return 0, err
			}
		}
		_, requests, err := a.makers[ofCrowd](batch)
		if err != nil {
			return 0, err
		}
		if _, _, err := g.run(requests); err != nil {
			return 0, fmt.Errorf("filling %s: %w", server, err)
		}
		if sent%(10*batch) == 0 {
			say("filling %s: %d of %d", server, sent, n)
		}
	}
	after, err := a.servers[server].collect()
	return (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(n), err
}

// collections asks two servers in turn for full collections of their garbage,
// and returns the median of how much longer the second one took, in
// milliseconds.
func (a *arena) collections(base, server string) (float64, error) {
	const repeats = 15
	more := make([]float64, repeats)
	for i := range more {
		var took [2]time.Duration
		for side, name := range []string{base, server} {
			began := time.Now()
			if err := a.servers[name].save("/debug/pprof/heap?gc=1", io.Discard); err != nil {
				return 0, err
			}
			took[side] = time.Since(began)
		}
		more[i] = float64(took[1]-took[0]) / float64(time.Millisecond)
	}
	return spread(more).Median, nil
}

// acquaint makes a server meet 100,000 devices, and returns the size of its
// heap then, in MiB.
func (a *arena) acquaint(server string) (float64, error) {
	g, err := a.generator(lane{server, plain, connections})
	if err != nil {
		return 0, err
	}
	const batch = 20_000 // signed and sent while the proofs are young
	for range hostDevices / batch {
		_, requests, err := a.makers[ofHost](batch)
		if err != nil {
			return 0, err
		}
		if _, _, err := g.run(requests); err != nil {
			return 0, fmt.Errorf("acquainting %s: %w", server, err)
		}
	}
	after, err := a.servers[server].collect()
	return float64(after.HeapAlloc) / mebibyte, err
}
