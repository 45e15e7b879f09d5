// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// run is a trial under way. It fails, and cleans up, like a test.
type run struct {
	testing.TB
	full bool
}

// size is how often something is done.
func (r *run) size(quick, full int) int {
	if r.full {
		return full
	}
	return quick
}

// count prints what was counted.
func (r *run) count(what string, number any) { r.Logf("%-52s %v", what, number) }

// atMost prints what was counted, and fails above the bound.
func (r *run) atMost(what string, number, most int64) {
	r.count(what, number)
	if number > most {
		r.Errorf("%s: %d, promised are at most %d", what, number, most)
	}
}

// start starts a server in a world of its own.
func (r *run) start(options harness.Options) *harness.Server {
	if options.Site == "" {
		options.Site = "log_skip"
	}
	return harness.NewWorld(r).Start(r, options)
}

// Verdicts.
const (
	verdictKept    = "kept"
	verdictBroken  = "BROKEN"
	verdictSkipped = "skipped"
)

// onConsole runs a trial outside of `go test`.
func onConsole(t trial, full bool) string {
	c := &console{name: t.name}
	ended := make(chan struct{})
	go func() { // FailNow ends the goroutine
		defer close(ended)
		defer c.cleanUp()
		t.run(&run{TB: c, full: full})
	}()
	<-ended
	switch {
	case c.Failed():
		return verdictBroken
	case c.skipped:
		return verdictSkipped
	}
	return verdictKept
}

// console does what trials need of a test.
type console struct {
	testing.TB // which no method is called of

	name string

	mu       sync.Mutex
	failed   bool
	skipped  bool
	cleanups []func()
}

func (c *console) Helper()      {}
func (c *console) Name() string { return c.name }

func (c *console) Logf(format string, arguments ...any) {
	fmt.Printf("   "+format+"\n", arguments...)
}

func (c *console) Errorf(format string, arguments ...any) {
	c.Fail()
	c.Logf("BROKEN: "+format, arguments...)
}

func (c *console) Fatalf(format string, arguments ...any) {
	c.Errorf(format, arguments...)
	runtime.Goexit()
}

func (c *console) Log(arguments ...any)   { c.Logf("%s", fmt.Sprint(arguments...)) }
func (c *console) Error(arguments ...any) { c.Errorf("%s", fmt.Sprint(arguments...)) }
func (c *console) Fatal(arguments ...any) { c.Fatalf("%s", fmt.Sprint(arguments...)) }

func (c *console) FailNow() {
	c.Fail()
	runtime.Goexit()
}

func (c *console) Skip(arguments ...any) {
	c.Log(arguments...)
	c.skipped = true
	runtime.Goexit()
}

func (c *console) Fail() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = true
}

func (c *console) Failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *console) Cleanup(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cleanups = append(c.cleanups, f)
}

func (c *console) cleanUp() {
	for _, f := range slices.Backward(c.cleanups) {
		f()
	}
}
