// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
)

// profile keeps the enforcing server busy with hot requests and writes a CPU
// profile and an allocation profile of it into folder, for `go tool pprof`.
func (a *arena) profile(folder string, say func(string, ...any)) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	g, err := a.generator(lane{enforce, plain, connections})
	if err != nil {
		return err
	}
	say("signing")
	batches := make([][]request, 30)
	for i := range batches {
		if _, batches[i], err = a.makers[fresh](5000); err != nil {
			return err
		}
	}
	if _, _, err := g.run(batches[0]); err != nil { // warm
		return err
	}
	say("profiling")
	done := make(chan error, 1)
	go func() { done <- a.save(folder, "cpu.pprof", "/debug/pprof/profile?seconds=20") }()
	for _, batch := range batches[1:] {
		if _, _, err := g.run(batch); err != nil {
			return err
		}
	}
	err = errors.Join(<-done, a.save(folder, "allocations.pprof", "/debug/pprof/allocs"))
	say("now: go tool pprof -http : %s", filepath.Join(folder, "cpu.pprof"))
	return err
}

// save writes an answer of the enforcing server's admin API to a file.
func (a *arena) save(folder, name, path string) error {
	file, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	return errors.Join(a.servers[enforce].save(path, file), file.Close())
}
