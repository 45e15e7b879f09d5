// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

// summed is a report of a run with these CPU times of the same server twice
// and of a subject against its base.
func summed(twice, subject float64) *Report {
	two := func(name string, figures ...Figure) Scenario {
		return Scenario{Name: name, Protocol: plain, Connections: 1, Sides: []Side{{limit, fresh}, {enforce, fresh}}, Figures: figures}
	}
	nan := math.NaN()
	half := func(second float64) [][]Sample {
		return [][]Sample{{{CPU: 100, Instructions: nan}, {CPU: second, Instructions: nan}}}
	}
	r := newReport(settings{1, 1})
	r.sumUp([]Scenario{two(sameServerTwice, cpu(0)), two("hot", cpu(1.05), instructionsRatio(1.03))}, [][][]Sample{half(twice), half(subject)})
	return r
}

func TestGoalsAreJudgedWhereTheMachineIsQuiet(t *testing.T) {
	for _, test := range []struct {
		name           string
		twice, subject float64
		restless       bool
		want           verdict
		missed         []string
	}{
		{"kept", 101, 104, false, pass, nil},
		{"missed", 101, 106, false, miss, []string{"hot, CPU per request"}},
		{"the same server is too unlike itself", 104, 106, true, notJudged, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := summed(test.twice, test.subject)
			hot := r.Scenarios[1]
			if r.Restless != test.restless || len(hot.Figures) != 1 || hot.Figures[0].Verdict != test.want || hot.Figures[0].Median != test.subject/100 {
				t.Errorf("restless %v, %+v", r.Restless, hot.Figures)
			}
			if got := r.missed(); !slices.Equal(got, test.missed) {
				t.Errorf("missed %q", got)
			}
		})
	}
}

func TestNothingIsJudgedWithoutTheSameServerTwice(t *testing.T) {
	var r Report
	r.sumUp(nil, nil)
	if !r.Restless {
		t.Error("a run without it counts as quiet")
	}
}

func TestReportIsJSONWithoutWhatWasNotMeasured(t *testing.T) {
	var text strings.Builder
	if err := summed(100, 104).writeJSON(&text); err != nil {
		t.Fatal(err)
	}
	var read Report
	if err := json.Unmarshal([]byte(text.String()), &read); err != nil {
		t.Fatal(err)
	}
	if got := read.Scenarios[1].Figures[0]; got.Median != 1.04 || got.Verdict != pass {
		t.Errorf("read back as %+v", got)
	}
	if strings.Contains(text.String(), "instructions_per_request") {
		t.Error("it says something about instructions, which were not counted")
	}
}

func TestReportSaysTheSameInTextAndMarkdown(t *testing.T) {
	r := summed(100, 104)
	var text, markdown strings.Builder
	if err := r.writeText(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.writeMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(markdown.String(), "| hot | CPU per request | 1.040 | 1.040 to 1.040 | at most 1.050 | pass |") {
		t.Errorf("Markdown:\n%s", &markdown)
	}
	if !strings.Contains(strings.Join(strings.Fields(text.String()), " "), "hot CPU per request 1.040 1.040 to 1.040 at most 1.050 pass") {
		t.Errorf("text:\n%s", &text)
	}
}

func TestWhatStateCostsIsJudgedWhereTheServerIsTheSubject(t *testing.T) {
	r := Report{Scenarios: []ScenarioReport{
		{Sides: []SideReport{{Side: Side{Server: empty}}, {Side: Side{Server: million}}}},
		{Sides: []SideReport{{Side: Side{Server: million}}, {Side: Side{Server: empty}}}},
	}}
	r.addStand(stand{million: {single("bytes", 33, 48), single("milliseconds", 2, 1)}})
	if figures := r.Scenarios[0].Figures; len(figures) != 2 || figures[0].Verdict != pass || figures[1].Verdict != miss {
		t.Errorf("got %+v", figures)
	}
	if figures := r.Scenarios[1].Figures; len(figures) != 0 {
		t.Errorf("the other way round: %+v", figures)
	}
}
