// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(quickly(m)) }

// quickly builds the server once, and looks at all output in the end.
func quickly(m *testing.M) int {
	cleanup, err := harness.Build("../..")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer cleanup()
	status := m.Run()
	if aftermath() {
		status = 1
	}
	return status
}

// TestQuickForms runs the quick form of every trial.
func TestQuickForms(t *testing.T) {
	for _, trial := range trials {
		t.Run(trial.name, func(t *testing.T) { trial.run(&run{TB: t}) })
	}
}

func TestUnknownTrialsAreNamed(t *testing.T) {
	if _, err := choose([]string{"reload", "nonsense"}); err == nil {
		t.Error("chosen")
	}
	if all, err := choose(nil); err != nil || len(all) != len(trials) {
		t.Errorf("%d of %d trials, %v", len(all), len(trials), err)
	}
}
