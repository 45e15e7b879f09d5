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
	ofHost            work = "fresh, 100,000 devices"
	ofNewTokens       work = "new token each"
	ofEdDSA           work = "fresh, EdDSA"
	ofRS256           work = "fresh, RS256"
	ofSignedRequests  work = "signed request"
	ofCertificate     work = "client certificate"
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

// Scenario compares servers under one kind of load.
type Scenario struct {
	Name string
	// Quick says that it is part of the quick run; Long, that it is part of
	// the long one alone.
	Quick, Long bool
	Protocol    protocol
	Connections int
	Sides       []Side
	Figures     []Figure
}

// devices is how many requests it takes until servers have met every device.
// Those of a host were met before, when their server was prepared: signed all
// at once, the last of their proofs would be too old before it is sent.
func (s Scenario) devices() int {
	if s.asksFor(ofCrowd) {
		return crowdDevices
	}
	return hotDevices
}

// asksFor reports whether some side gets this work.
func (s Scenario) asksFor(work work) bool {
	return slices.ContainsFunc(s.Sides, func(side Side) bool { return side.Work == work })
}

// runs reports whether some side is this server.
func (s Scenario) runs(server string) bool {
	return slices.ContainsFunc(s.Sides, func(side Side) bool { return side.Server == server })
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
	long := func(s Scenario) Scenario { s.Long = true; return s }
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
		against("100,000 devices, against hot", [2]Side{{enforce, fresh}, {multitude, ofHost}}, cpu(1.05)),
		against("every token new, against limit", both(limit, newcomers, ofNewTokens), cpu(1.75)),
		against("EdDSA, against a limit with Ed25519", both(limitEdDSA, enforce, ofEdDSA), cpu(0)),
		against("RS256, against a limit with RSA of 2048 bits", both(limitRS256, enforce, ofRS256), cpu(0)),
		over(tls11, against("TLS, against limit", both(limit, enforce, fresh), cpu(0), throughput(0))),
		over(http2, against("HTTP/2, against limit", both(limit, enforce, fresh), cpu(0))),
		against("pop, against limit", both(limit, signed, ofSignedRequests), cpu(1.10)),
		over(mutual, against("mtls, against a limit without a signature", both(limitMTLS, bearer, ofCertificate), cpu(1.10))),
		against("report-only, against hot", both(enforce, reportOnly, fresh), cpu(1.05)),
		against("100 policies, against one", both(enforce, policies, fresh), cpu(1.05)),
		against("1,000,000 live replay entries, against none", both(empty, million, ofCrowd), cpu(1), p99(1)),
		long(against("4,000,000 live replay entries, against none", both(empty, millions, ofCrowd), cpu(1), p99(1))),
		against("Redis, against memory", both(enforce, redisSet, fresh), cpu(1.06)),
		against("refused, no credential: against accepted", refusal(withoutCredential), cpu(0.40)),
		against("refused, other key: against accepted", refusal(otherKey), cpu(0.40)),
		against("refused, replay: against accepted", refusal(replayed), cpu(0.45)),
		against("refused, bad signature: against accepted", refusal(badSignature), cpu(1)),
		against("refused, bad token: against accepted", refusal(badToken), cpu(1)),
	}
}
