// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// writeJSON writes the report for programs.
func (r *Report) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// writeText writes the report for a terminal.
func (r *Report) writeText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.rows(func(cells ...any) {
		for i, cell := range cells {
			if i > 0 {
				fmt.Fprint(table, "\t")
			}
			fmt.Fprint(table, cell)
		}
		fmt.Fprintln(table)
	}, func(title string) { fmt.Fprintf(table, "\n%s\n", title) }, func(int) {})
	return table.Flush()
}

// writeMarkdown writes the report for docs/performance.md.
func (r *Report) writeMarkdown(w io.Writer) error {
	r.rows(func(cells ...any) {
		fmt.Fprint(w, "|")
		for _, cell := range cells {
			fmt.Fprintf(w, " %v |", cell)
		}
		fmt.Fprintln(w)
	}, func(title string) { fmt.Fprintf(w, "\n%s\n\n", title) }, func(columns int) {
		fmt.Fprint(w, "|")
		for range columns {
			fmt.Fprint(w, " --- |")
		}
		fmt.Fprintln(w)
	})
	return nil
}

// rows writes the two tables: what was measured against the goals, and what
// the servers did.
func (r *Report) rows(row func(cells ...any), title func(string), rule func(columns int)) {
	title(fmt.Sprintf("%s, %s, %s, Caddy %s: %d rounds, %d requests a slice.", r.Date, r.Machine, r.Go, r.Caddy, r.Rounds, r.Requests))
	row("scenario", "figure", "median", "quartiles", "goal", "verdict")
	rule(6)
	for _, s := range r.Scenarios {
		for _, f := range s.Figures {
			row(s.Name, f.Name, digits(f.Median), digits(f.Lower)+" to "+digits(f.Upper), f.goal(), f.Verdict)
		}
	}
	if r.Instructions != "" {
		title("User instructions were not counted: " + r.Instructions + ".")
	}
	title("What the servers did, as medians:")
	row("scenario", "server", "work", "CPU us", "instructions", "requests/s", "allocations", "bytes", "p50 us", "p99 us")
	rule(10)
	for _, s := range r.Scenarios {
		for _, side := range s.Sides {
			instructions := "-"
			if side.Instructions != nil {
				instructions = digits(*side.Instructions)
			}
			row(s.Name, side.Server, side.Work, digits(side.CPU), instructions, digits(side.Throughput),
				digits(side.Allocations), digits(side.Bytes), digits(side.P50), digits(side.P99))
		}
	}
}

func (f FigureReport) goal() string {
	switch {
	case f.Goal == 0:
		return ""
	case f.AtLeast:
		return "at least " + digits(f.Goal)
	}
	return "at most " + digits(f.Goal)
}

// digits writes a number with as many digits as mean something.
func digits(value float64) string {
	switch {
	case value >= 1000 || value <= -1000:
		return fmt.Sprintf("%.0f", value)
	case value >= 10 || value <= -10:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.3f", value)
}
