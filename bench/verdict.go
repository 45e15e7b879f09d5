// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "math"

// verdict is what a figure is against its goal.
type verdict string

// The verdicts.
const (
	pass      verdict = "pass"
	miss      verdict = "miss"
	notJudged verdict = "not judged" // the run was too restless
	noGoal    verdict = ""           // there is nothing to judge, or it was not measured
)

// tolerance is how far the same server may be off from itself.
const tolerance = 0.03

// restless reports whether a comparison of the same server with itself shows
// that other comparisons are worth nothing.
func restless(sameServerTwice Spread) bool {
	return !sameServerTwice.known() || math.Abs(sameServerTwice.Median-1) > tolerance
}

// judge holds a measured figure against its goal.
func (f Figure) judge(measured Spread, restless bool) verdict {
	switch {
	case f.Goal == 0 || !measured.known():
		return noGoal
	case restless:
		return notJudged
	case f.AtLeast && measured.Median >= f.Goal, !f.AtLeast && measured.Median <= f.Goal:
		return pass
	}
	return miss
}
