// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParsesSchedstat(t *testing.T) {
	if got, err := parseSchedstat("382155077 482139 24\n"); err != nil || got != 382155077 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, line := range []string{"", "1 2\n", "1 2 3 4\n", "x 2 3\n", "99999999999999999999 2 3\n"} {
		if got, err := parseSchedstat(line); err == nil {
			t.Errorf("%q: got %d; expected an error", line, got)
		}
	}
}

// process writes what the kernel shows of a process with these threads.
func process(t *testing.T, proc, pid string, threads map[string]string, children string) {
	t.Helper()
	for thread, statistics := range threads {
		folder := filepath.Join(proc, pid, "task", thread)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"schedstat": statistics, "children": children} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		children = ""
	}
}

func TestCPUTimeIsOfTheWholeProcessTree(t *testing.T) {
	proc := t.TempDir()
	process(t, proc, "10", map[string]string{"10": "1000 1 1\n"}, "20 30 ")
	process(t, proc, "20", map[string]string{"20": "200 1 1\n", "21": "20 1 1\n"}, "")
	if got, err := cpuTime(proc, 10); err != nil || got != 1220 { // 30 has ended
		t.Errorf("got %d, %v; expected 1220", got, err)
	}
	process(t, proc, "40", map[string]string{"40": "broken"}, "")
	for _, pid := range []int{40, 50} {
		if got, err := cpuTime(proc, pid); err == nil {
			t.Errorf("process %d: got %d; expected an error", pid, got)
		}
	}
}

func TestCPUTimeOfThisProcessGrows(t *testing.T) {
	before, err := cpuTime("/proc", os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
	}
	after, err := cpuTime("/proc", os.Getpid())
	if err != nil || after <= before {
		t.Errorf("%v before, %v after, %v", before, after, err)
	}
}
