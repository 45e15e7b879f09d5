// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

// Figure is what a scenario is judged by.
type Figure struct {
	Name string
	// Of computes the figure from one slice of each side, in their order.
	Of func([]Sample) float64
	// Goal is the most, or with AtLeast the least, that it may be; 0 means
	// that it is shown and not judged.
	Goal    float64
	AtLeast bool
}

// addedLatency is what the module adds to bare's median latency, against what
// limit adds to it.
func addedLatency(s []Sample) float64 { return (s[2].P50 - s[0].P50) / (s[1].P50 - s[0].P50) }

// ratio makes a figure of the second side's value by the first one's.
func ratio(name string, goal float64, atLeast bool, value func(Sample) float64) Figure {
	return Figure{Name: name, Goal: goal, AtLeast: atLeast, Of: func(s []Sample) float64 { return value(s[1]) / value(s[0]) }}
}

func cpu(goal float64) Figure {
	return ratio("CPU per request", goal, false, func(s Sample) float64 { return s.CPU })
}

func instructionsRatio(goal float64) Figure {
	return ratio("user instructions per request", goal, false, func(s Sample) float64 { return s.Instructions })
}

func throughput(goal float64) Figure {
	return ratio("throughput of one core", goal, true, func(s Sample) float64 { return s.Throughput })
}

func p99(goal float64) Figure {
	return ratio("99th percentile of latency", goal, false, func(s Sample) float64 { return s.P99 })
}

func allocations(goal float64) Figure {
	return Figure{Name: "allocations per request, more", Goal: goal, Of: func(s []Sample) float64 { return s[1].Allocations - s[0].Allocations }}
}

func allocatedBytes(goal float64) Figure {
	return Figure{Name: "bytes allocated per request, more", Goal: goal, Of: func(s []Sample) float64 { return s[1].Bytes - s[0].Bytes }}
}
