// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"time"
)

// Sample is what one slice of requests to one server cost. Instructions are
// not a number where there are no hardware counters.
type Sample struct {
	CPU          float64 // microseconds on a processor, per request
	Instructions float64 // in user space, per request
	Throughput   float64 // requests per second
	Allocations  float64 // heap objects per request
	Bytes        float64 // bytes allocated per request
	P50, P99     float64 // microseconds from request to answer
}

// settle is how long a server is left alone around a slice, so that what it
// was asked before is done, and what it was asked last is accounted for.
const settle = 2 * time.Millisecond

// slice sends the requests to the server and reads its meters around them.
// The debug variables are read first before and last after, so that the time
// which that takes lies outside.
func slice(s *server, g *generator, requests []request) (Sample, error) {
	var before, after meters
	var err error
	if before.memory, err = readMemory(s.admin); err != nil {
		return Sample{}, err
	}
	if err := before.readProcess(s); err != nil {
		return Sample{}, err
	}
	took, latencies, err := g.run(requests)
	if err != nil {
		return Sample{}, fmt.Errorf("server %s: %w", s.name, err)
	}
	if err := after.readProcess(s); err != nil {
		return Sample{}, err
	}
	if after.memory, err = readMemory(s.admin); err != nil {
		return Sample{}, err
	}
	return before.until(after, s.reading, took, latencies), nil
}

// meters are what is read around a slice.
type meters struct {
	memory       memory
	cpu          time.Duration
	instructions float64
}

func (m *meters) readProcess(s *server) (err error) {
	time.Sleep(settle)
	if m.cpu, err = cpuTime("/proc", s.command.Process.Pid); err != nil {
		return err
	}
	m.instructions, err = s.count()
	return err
}

// until is what happened between two readings, less what one reading of the
// debug variables allocates.
func (m meters) until(after meters, reading memory, took time.Duration, latencies []time.Duration) Sample {
	n := float64(len(latencies))
	microseconds := make([]float64, len(latencies))
	for i, latency := range latencies {
		microseconds[i] = float64(latency) / 1e3
	}
	return Sample{
		CPU:          float64(after.cpu-m.cpu) / 1e3 / n,
		Instructions: (after.instructions - m.instructions) / n,
		Throughput:   n / took.Seconds(),
		Allocations:  math.Max(0, float64(after.memory.Mallocs-m.memory.Mallocs-reading.Mallocs)/n),
		Bytes:        math.Max(0, float64(after.memory.TotalAlloc-m.memory.TotalAlloc-reading.TotalAlloc)/n),
		P50:          quantile(microseconds, 0.50),
		P99:          quantile(microseconds, 0.99),
	}
}
