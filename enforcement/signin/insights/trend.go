// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"time"
)

// A trend is the chart over time: stacked bars in a box of 100 by 100.
type trend struct {
	Bars            []bar
	Unit            string
	Top             string // what a bar of full height counts
	Start, Mid, End string
	Empty           bool
}

type bar struct {
	X, Width                     float64
	FailureY, SuccessY, NeitherY float64
	Failure, Success, Neither    float64 // heights
	Title                        string
	Time                         string
	Counts                       [4]string
}

// trend puts the buckets into at most mostBars bars.
func (b *Board) trend(buckets map[int32]*tally) trend {
	if len(buckets) == 0 {
		return trend{Empty: true}
	}
	first, last := int32(1<<31-1), int32(timeless)
	for bucket := range buckets {
		first, last = min(first, bucket), max(last, bucket)
	}
	width := b.width
	for width+1 < len(widths) && barOf(last, b.width, width)-barOf(first, b.width, width) >= mostBars {
		width++
	}
	start := barOf(first, b.width, width)
	tallies := make([]tally, min(barOf(last, b.width, width)-start+1, mostBars))
	top := 1
	for bucket, t := range buckets {
		at := min(barOf(bucket, b.width, width)-start, int64(len(tallies))-1)
		for o := range t {
			tallies[at][o] += t[o]
		}
		top = max(top, tallies[at][anyOutcome])
	}
	chart := trend{Unit: unit(widths[width]), Top: number(top)}
	when := func(at int) string {
		return time.Unix((start+int64(at))*int64(widths[width]/time.Second), 0).UTC().Format("2006-01-02 15:04")
	}
	for at, t := range tallies {
		chart.Bars = append(chart.Bars, barAt(at, len(tallies), top, t, when(at)))
	}
	chart.Start, chart.End = when(0), when(len(tallies)-1)
	if len(tallies) > 2 {
		chart.Mid = when(len(tallies) / 2)
	}
	return chart
}

// barOf is where a bucket of one width falls in another.
func barOf(bucket int32, from, to int) int64 {
	return floor(int64(bucket), int64(widths[to]/widths[from]))
}

func barAt(at, of, top int, t tally, when string) bar {
	height := func(n int) float64 { return float64(n*1000/top) / 10 }
	space := 100 / float64(of)
	r := bar{
		X: round(space * float64(at)), Width: round(space * 0.82), Time: when,
		Failure: height(t[failure]), Success: height(t[success]), Neither: height(t[notApplied]),
	}
	r.FailureY = round(100 - r.Failure)
	r.SuccessY = round(r.FailureY - r.Success)
	r.NeitherY = round(r.SuccessY - r.Neither)
	for o := range t {
		r.Counts[o] = number(t[o])
	}
	r.Title = when + ": " + r.Counts[success] + " success, " + r.Counts[failure] + " failure, " + r.Counts[notApplied] + " not applied"
	return r
}

func round(x float64) float64 { return float64(int(x*100+0.5)) / 100 }
