// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"testing"
)

func TestRestlessBeyondThreePercent(t *testing.T) {
	for median, want := range map[float64]bool{1: false, 1.029: false, 0.971: false, 1.031: true, 0.969: true, math.NaN(): true} {
		if got := restless(Spread{Median: median}); got != want {
			t.Errorf("%v: got %v", median, got)
		}
	}
}

func TestJudgesTheMedianAgainstTheGoal(t *testing.T) {
	most, least := Figure{Goal: 1.05}, Figure{Goal: 0.95, AtLeast: true}
	for _, test := range []struct {
		name     string
		figure   Figure
		measured float64
		restless bool
		want     verdict
	}{
		{"at most, below", most, 1.04, false, pass},
		{"at most, exactly", most, 1.05, false, pass},
		{"at most, above", most, 1.06, false, miss},
		{"at least, above", least, 0.96, false, pass},
		{"at least, below", least, 0.94, false, miss},
		{"a restless run judges nothing", most, 1.5, true, notJudged},
		{"no goal", Figure{}, 1.5, false, noGoal},
		{"not measured", most, math.NaN(), false, noGoal},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.figure.judge(Spread{Median: test.measured}, test.restless); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
