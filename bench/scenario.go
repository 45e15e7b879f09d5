// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

// work is what is sent to a server.
type work string

// The kinds of work. Each is made by a maker of the same name, see arena.
const (
	fresh             work = "fresh"
	ofCrowd           work = "fresh, 5,000 devices"
	ofNewTokens       work = "new token each"
	ofEdDSA           work = "fresh, EdDSA"
	ofRS256           work = "fresh, RS256"
	withoutCredential work = "no credential"
	otherKey          work = "other key"
	badSignature      work = "bad signature"
	replayed          work = "replay"
	badToken          work = "bad token"
)

// Side is one of the parties that a scenario compares.
type Side struct {
	Server string `json:"server"`
	Work   work   `json:"work"`
}

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

// Scenario compares servers under one kind of load.
type Scenario struct {
	Name string
	// Quick says that it is part of the quick run.
	Quick       bool
	Protocol    protocol
	Connections int
	Sides       []Side
	Figures     []Figure
}

// devices is how many devices take part.
func (s Scenario) devices() int {
	if slices.ContainsFunc(s.Sides, func(side Side) bool { return side.Work == ofCrowd }) {
		return crowdDevices
	}
	return hotDevices
}

// connections is how many there are at a time: enough to keep one processor
// busy, and fewer than the idle ones that Caddy keeps to a backend (32).
const connections = 16

// sameServerTwice runs along with every run. What it is off by is the error
// of the whole method.
const sameServerTwice = "A/A: limit twice"

// scenarios are all there are, in the order of the report.
func scenarios() []Scenario {
	against := func(name string, sides [2]Side, figures ...Figure) Scenario {
		return Scenario{Name: name, Protocol: plain, Connections: connections, Sides: sides[:], Figures: figures}
	}
	both := func(base, subject string, work work) [2]Side { return [2]Side{{base, work}, {subject, work}} }
	refusal := func(work work) [2]Side { return [2]Side{{enforce, fresh}, {enforce, work}} }
	quick := func(s Scenario) Scenario { s.Quick = true; return s }
	over := func(p protocol, s Scenario) Scenario { s.Protocol = p; return s }
	latency := Scenario{
		Name: "one connection: bare, limit, enforce", Protocol: plain, Connections: 1,
		Sides: []Side{{bare, fresh}, {limit, fresh}, {enforce, fresh}},
		Figures: []Figure{
			{Name: "median latency added, against what limit adds", Of: addedLatency, Goal: 1.15},
		},
	}
	return []Scenario{
		quick(against(sameServerTwice, both(limit, limit, fresh), cpu(0), throughput(0))),
		quick(against("hot: enforce against limit", both(limit, enforce, fresh), cpu(1.05), instructionsRatio(1.03), throughput(0.95))),
		quick(against("hot: enforce over bare", both(bare, enforce, fresh), allocations(16), allocatedBytes(1536))),
		quick(against("hot: limit over bare", both(bare, limit, fresh), cpu(0), allocations(0), allocatedBytes(0))),
		quick(against("hot: enforce against a plain golang-jwt handler", both(naive, enforce, fresh), cpu(0.60), throughput(0))),
		quick(latency),
		against("5,000 devices, against limit", both(limit, crowd, ofCrowd), cpu(1.08), throughput(0)),
		against("every token new, against limit", both(limit, newcomers, ofNewTokens), cpu(1.75)),
		against("EdDSA, against a limit with Ed25519", both(limitEdDSA, enforce, ofEdDSA), cpu(0)),
		against("RS256, against a limit with RSA of 2048 bits", both(limitRS256, enforce, ofRS256), cpu(0)),
		over(tls11, against("TLS, against limit", both(limit, enforce, fresh), cpu(0), throughput(0))),
		over(http2, against("HTTP/2, against limit", both(limit, enforce, fresh), cpu(0))),
		against("report-only, against hot", both(enforce, reportOnly, fresh), cpu(1.05)),
		against("100 policies, against one", both(enforce, policies, fresh), cpu(1.05)),
		against("1,000,000 live replay entries, against none", both(empty, million, ofCrowd), cpu(1), p99(1)),
		against("refused, no credential: against accepted", refusal(withoutCredential), cpu(0.40)),
		against("refused, other key: against accepted", refusal(otherKey), cpu(0.40)),
		against("refused, replay: against accepted", refusal(replayed), cpu(0.45)),
		against("refused, bad signature: against accepted", refusal(badSignature), cpu(1)),
		against("refused, bad token: against accepted", refusal(badToken), cpu(1)),
	}
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
