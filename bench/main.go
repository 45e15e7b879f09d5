// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Command bench measures what token protection costs, as a ratio to what it
// cannot do without. It compares live servers in one run: bare reverse_proxy,
// `limit`, which adds one signature verification and one SHA-256 of the token,
// `enforce`, which is this module as a user runs it, and `naive`, a plain
// golang-jwt handler.
//
// A machine's speed drifts by a third within an hour, so nothing but ratios of
// neighbours counts. All servers stay up. Slices of some thousand requests go
// to them in ABBA order; the measure is the time that the server's threads
// were on a processor, as the scheduler counts it; the result is the median of
// the slices' ratios with its quartiles. The same server, compared with
// itself, runs along, and when that is off by more than 3 % nothing is judged.
//
//	go run ./bench            most scenarios, about a quarter of an hour
//	go run ./bench --quick    the hot path, about a minute
//	go run ./bench --long     everything, and a million proofs that must be right, about an hour
//
// Run it in the module's root. It exits with 1 if a goal is missed, if nothing
// could be judged, or if any answer had another status than it should.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := command(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command() (err error) {
	quick := flag.Bool("quick", false, "only the hot path, in about a minute")
	long := flag.Bool("long", false, "4,000,000 replay entries too, and a million proofs that must be accepted once each")
	redis := flag.String("redis", "", "URL of a Redis server, to compare a replay set in it too")
	asJSON := flag.Bool("json", false, "write the report as JSON")
	asMarkdown := flag.Bool("markdown", false, "write the report as Markdown")
	requests := flag.Int("requests", 0, "requests in a slice (default 3000, and 1500 with --quick)")
	rounds := flag.Int("rounds", 0, "rounds, each with two slices of every side (default 9, and 4 with --quick)")
	only := flag.String("only", "", "only scenarios whose name contains this")
	profile := flag.String("profile", "", "instead of comparing, write profiles of the hot path into this folder")
	flag.Parse()
	if flag.NArg() > 0 || *requests < 0 || *rounds < 0 {
		return errors.New("expected flags only, with positive numbers; see --help")
	}
	set := settings{requests: 3000, rounds: 9}
	if *quick {
		set = settings{requests: 1500, rounds: 4}
	}
	set.requests, set.rounds = cmp.Or(*requests, set.requests), cmp.Or(*rounds, set.rounds)
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%4.0fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	chosen := choice{quick: *quick || *profile != "", long: *long, redis: *redis != "", only: *only}.scenarios()
	folder, err := os.MkdirTemp("", "caddy-token-protection-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	arena, err := open(chosen, folder, *redis, say)
	if err != nil {
		return err
	}
	defer arena.close()
	if *profile != "" {
		return arena.profile(*profile, say)
	}
	if *long && arena.servers[enforce] != nil {
		if err := arena.correct(1_000_000, say); err != nil {
			return err
		}
	}
	stand, err := arena.prepare(chosen, say)
	if err != nil {
		return err
	}
	report, err := arena.run(chosen, set, say)
	if err != nil {
		return err
	}
	report.addStand(stand)
	write := report.writeText
	switch {
	case *asJSON:
		write = report.writeJSON
	case *asMarkdown:
		write = report.writeMarkdown
	}
	if err := write(os.Stdout); err != nil {
		return err
	}
	missed := report.missed()
	switch {
	case report.Restless:
		return errNotJudged
	case len(missed) > 0:
		return fmt.Errorf("goals missed: %s", strings.Join(missed, "; "))
	}
	return nil
}

// choice says which scenarios are asked for.
type choice struct {
	quick, long, redis bool
	only               string // what their name must contain
}

// scenarios picks them; the comparison of a server with itself is always
// among them.
func (c choice) scenarios() []Scenario {
	return slices.DeleteFunc(scenarios(), func(s Scenario) bool {
		return s.Name != sameServerTwice &&
			(c.quick && !s.Quick || s.Long && !c.long || s.runs(redisSet) && !c.redis || !strings.Contains(s.Name, c.only))
	})
}
