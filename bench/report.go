// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Report is the outcome of a run.
type Report struct {
	Date     string `json:"date"`
	Machine  string `json:"machine"`
	Go       string `json:"go"`
	Caddy    string `json:"caddy"`
	Requests int    `json:"requests_per_slice"`
	Rounds   int    `json:"rounds"`
	// Restless says that the same server differed from itself too much, so
	// that nothing was judged.
	Restless bool `json:"restless"`
	// Instructions says why none were counted, or nothing.
	Instructions string           `json:"instructions_not_counted,omitempty"`
	Scenarios    []ScenarioReport `json:"scenarios"`
}

// ScenarioReport is the outcome of one scenario.
type ScenarioReport struct {
	Name        string         `json:"name"`
	Protocol    protocol       `json:"protocol"`
	Connections int            `json:"connections"`
	Sides       []SideReport   `json:"sides"`
	Figures     []FigureReport `json:"figures"`
}

// SideReport is what one side did: medians over its slices. They drift with
// the machine; only ratios are goals.
type SideReport struct {
	Side
	CPU          float64  `json:"cpu_us_per_request"`
	Instructions *float64 `json:"instructions_per_request,omitempty"`
	Throughput   float64  `json:"requests_per_second"`
	Allocations  float64  `json:"allocations_per_request"`
	Bytes        float64  `json:"bytes_per_request"`
	P50          float64  `json:"latency_p50_us"`
	P99          float64  `json:"latency_p99_us"`
}

// FigureReport is one figure with its goal.
type FigureReport struct {
	Name string `json:"name"`
	Spread
	Goal    float64 `json:"goal,omitempty"`
	AtLeast bool    `json:"at_least,omitempty"`
	Verdict verdict `json:"verdict,omitempty"`
}

// settings are how much is measured.
type settings struct{ requests, rounds int }

// run plays all scenarios in turn, round after round, so that each is spread
// over the whole run and the comparison of a server with itself runs along.
func (a *arena) run(scenarios []Scenario, set settings, say func(string, ...any)) (*Report, error) {
	for _, s := range scenarios { // caches, connections and the heap are warm before it counts
		if _, err := a.half(s, max(set.requests, s.devices()), false); err != nil {
			return nil, err
		}
	}
	halves := make([][][]Sample, len(scenarios))
	for round := range set.rounds {
		say("round %d of %d", round+1, set.rounds)
		for i, s := range scenarios {
			for _, reverse := range []bool{false, true} { // A B, then B A
				samples, err := a.half(s, set.requests, reverse)
				if err != nil {
					return nil, err
				}
				halves[i] = append(halves[i], samples)
			}
		}
	}
	report := newReport(set)
	for _, server := range a.servers {
		if server.whyNotCounted != nil {
			report.Instructions = server.whyNotCounted.Error()
		}
	}
	report.sumUp(scenarios, halves)
	return report, nil
}

func newReport(set settings) *Report {
	r := &Report{
		Date: time.Now().UTC().Format("2006-01-02"), Machine: fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		Go: runtime.Version(), Caddy: "of unknown version", Requests: set.requests, Rounds: set.rounds,
	}
	if version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/caddyserver/caddy/v2").Output(); err == nil {
		r.Caddy = strings.TrimSpace(string(version))
	}
	return r
}

// sumUp computes the figures of all scenarios and judges them. The samples of
// scenario i are in halves[i], one slice of each side in an element.
func (r *Report) sumUp(scenarios []Scenario, halves [][][]Sample) {
	r.Restless = true // unless shown otherwise
	for i, s := range scenarios {
		if s.Name == sameServerTwice {
			r.Restless = restless(s.Figures[0].spread(halves[i]))
		}
	}
	for i, s := range scenarios {
		report := ScenarioReport{Name: s.Name, Protocol: s.Protocol, Connections: s.Connections}
		for side := range s.Sides {
			report.Sides = append(report.Sides, medians(s.Sides[side], side, halves[i]))
		}
		for _, figure := range s.Figures {
			measured := figure.spread(halves[i])
			if !measured.known() {
				continue
			}
			report.Figures = append(report.Figures, FigureReport{
				Name: figure.Name, Spread: measured, Goal: figure.Goal, AtLeast: figure.AtLeast,
				Verdict: figure.judge(measured, r.Restless),
			})
		}
		r.Scenarios = append(r.Scenarios, report)
	}
}

// spread computes the figure for each half of each round.
func (f Figure) spread(halves [][]Sample) Spread {
	values := make([]float64, len(halves))
	for i, samples := range halves {
		values[i] = f.Of(samples)
	}
	return spread(values)
}

// medians sums up one side.
func medians(named Side, side int, halves [][]Sample) SideReport {
	median := func(value func(Sample) float64) float64 {
		return Figure{Of: func(s []Sample) float64 { return value(s[side]) }}.spread(halves).Median
	}
	report := SideReport{
		Side: named, CPU: median(func(s Sample) float64 { return s.CPU }), Throughput: median(func(s Sample) float64 { return s.Throughput }),
		Allocations: median(func(s Sample) float64 { return s.Allocations }), Bytes: median(func(s Sample) float64 { return s.Bytes }),
		P50: median(func(s Sample) float64 { return s.P50 }), P99: median(func(s Sample) float64 { return s.P99 }),
	}
	if counted := median(func(s Sample) float64 { return s.Instructions }); !math.IsNaN(counted) {
		report.Instructions = &counted
	}
	return report
}

// missed lists the figures that miss their goals.
func (r *Report) missed() (names []string) {
	for _, scenario := range r.Scenarios {
		for _, figure := range scenario.Figures {
			if figure.Verdict == miss {
				names = append(names, scenario.Name+", "+figure.Name)
			}
		}
	}
	return names
}

// addStand adds what the servers' state costs at rest to the scenarios whose
// last side is theirs.
func (r *Report) addStand(measured stand) {
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		for _, figure := range measured[s.Sides[len(s.Sides)-1].Server] {
			figure.Verdict = Figure{Goal: figure.Goal}.judge(figure.Spread, r.Restless)
			s.Figures = append(s.Figures, figure)
		}
	}
}
