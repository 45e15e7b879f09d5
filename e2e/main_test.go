// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e tests the built server from outside, over real sockets. The
// cases of testdata/cases.jsonl are tests named by their ids
// (TestCorpus/DPOP-001); the others show one promise of the product each.
// With E2E_RACE=1 the server is built with the race detector.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run ends with what can only be said when all servers have stopped: nothing
// secret is in their output, and none of them has crashed.
func run(m *testing.M) int {
	cleanup, err := harness.Build("..")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer cleanup()
	status := m.Run()
	for _, leak := range harness.Leaks() {
		fmt.Fprintln(os.Stderr, "FAIL: a secret in a server's output:", leak)
		status = 1
	}
	for _, server := range harness.Crashes() {
		fmt.Fprintln(os.Stderr, "FAIL: a panic or a data race in the output of", server)
		status = 1
	}
	return status
}
