// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Chaos does to real servers what happens to them in service, and worse, and
// counts what came through: replays, lost requests, wrong answers, leaks.
//
//	go run ./e2e/chaos [--full] [name...]
//
// Each trial has a quick form, all of which take about a minute together, and
// a full form that reaches the figure which docs/promises.md states. The exit
// status is 1 if a promise was broken.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// trial is one thing that happens.
type trial struct {
	name    string
	promise string
	run     func(r *run)
}

var trials = []trial{
	{"reload", "reloads under mixed load drop nothing, answer nothing wrong, accept no replay and leave no goroutine", reloadUnderLoad},
	{"broken", "a configuration that is wrong does not come into force, and the old policy enforces the next request", brokenReloads},
	{"nodes", "of one proof at two nodes at once exactly one is accepted", oneProofAtTwoNodes},
	{"copies", "of 200 parallel copies of a proof exactly one is accepted", parallelCopies},
	{"restart", "after kill -9 nothing captured is accepted, and good clients lose at most one round trip", killAndRestart},
	{"failover", "a failover of Redis lets no replay through, and is over within 5 s", failover},
	{"network", "a bad network to Redis delays no answer beyond 300 ms, and opens nothing", badNetwork},
	{"overflow-one", "one device that floods hurts no other", overflowByOne},
	{"overflow-many", "a full replay set costs other devices one round trip, and memory stays bounded", overflowByMany},
	{"keyset", "an outage of the issuer's key set is not noticed with keys that are known", keySetOutage},
	{"kids", "made-up key ids fetch nothing and store nothing", madeUpKeyIDs},
	{"revoked", "a device that is disabled in the directory gets nothing any more within a second, and its streams are cut", deviceRevoked},
	{"series", "random input makes no new metric series", metricSeries},
	{"soak", "under mixed load memory, goroutines, descriptors and series stay flat", soak},
}

func main() {
	full := flag.Bool("full", false, "run the full forms, which take hours")
	flag.Parse()
	broken, err := play(*full, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if broken {
		os.Exit(1)
	}
}

// play runs the trials with these names, all if there are none.
func play(full bool, names []string) (broken bool, err error) {
	chosen, err := choose(names)
	if err != nil {
		return false, err
	}
	root, err := moduleRoot()
	if err != nil {
		return false, err
	}
	cleanup, err := harness.Build(root)
	if err != nil {
		return false, err
	}
	defer cleanup()
	for _, t := range chosen {
		fmt.Printf("== %s: %s\n", t.name, t.promise)
		start := time.Now()
		verdict := onConsole(t, full)
		fmt.Printf("   %s (%v)\n", verdict, time.Since(start).Round(100*time.Millisecond))
		broken = broken || verdict == verdictBroken
	}
	fmt.Println("== secrets: no token, proof, nonce or key that was used is in any output, and nothing crashed")
	return aftermath() || broken, nil
}

// aftermath looks at the output of all servers.
func aftermath() (broken bool) {
	leaks, crashes := harness.Leaks(), harness.Crashes()
	fmt.Printf("   %-52s %d\n   %-52s %d\n", "secrets found", len(leaks), "servers that crashed", len(crashes))
	for _, problem := range append(leaks, crashes...) {
		fmt.Println("   BROKEN:", problem)
	}
	return len(leaks)+len(crashes) > 0
}

func choose(names []string) ([]trial, error) {
	if len(names) == 0 {
		return trials, nil
	}
	var chosen []trial
	for _, name := range names {
		i := slices.IndexFunc(trials, func(t trial) bool { return t.name == name })
		if i < 0 {
			var known []string
			for _, t := range trials {
				known = append(known, t.name)
			}
			return nil, fmt.Errorf("trial %q is not known; expected some of %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, trials[i])
	}
	return chosen, nil
}

// moduleRoot is the folder of go.mod, from here upward.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if parent := filepath.Dir(folder); parent != folder {
			folder = parent
			continue
		}
		return "", errors.New("no go.mod above the working directory; expected to run inside the module")
	}
}
