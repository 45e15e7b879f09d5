// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"testing"
)

func TestSpreadIsMedianAndQuartiles(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		name   string
		values []float64
		want   Spread
	}{
		{"one", []float64{3}, Spread{3, 3, 3}},
		{"odd, unsorted", []float64{5, 1, 4, 2, 3}, Spread{3, 2, 4}},
		{"even: between neighbours", []float64{1, 2, 3, 4}, Spread{2.5, 1.75, 3.25}},
		{"an outlier moves nothing", []float64{1, 1, 1, 1, 900}, Spread{1, 1, 1}},
		{"what is not a number is left out", []float64{nan, 2, nan}, Spread{2, 2, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := spread(test.values); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestSpreadLeavesItsArgumentAlone(t *testing.T) {
	values := []float64{3, 1, 2}
	spread(values)
	if values[0] != 3 || values[1] != 1 || values[2] != 2 {
		t.Errorf("the values are now %v", values)
	}
}

func TestSpreadOfNothingIsUnknown(t *testing.T) {
	for _, values := range [][]float64{nil, {}, {math.NaN()}} {
		if got := spread(values); got.known() {
			t.Errorf("the spread of %v is %v", values, got)
		}
	}
}
