// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"strconv"
	"testing"
	"time"
)

func TestStatsCountKindsAndFolds(t *testing.T) {
	a := New(Config{Interval: time.Minute, MaxKinds: 4, Sink: func(Record) {}})
	for i := range 3 {
		a.Note(&Kind{User: "u" + strconv.Itoa(i), Resource: "exchange"})
	}
	if got := a.Stats(); got != (Stats{Kinds: 3}) {
		t.Errorf("within bounds: %+v", got)
	}
	for i := range 100 {
		a.Note(&Kind{User: "v" + strconv.Itoa(i), Resource: "exchange"})
	}
	if got := a.Stats(); got != (Stats{Kinds: 4, Folds: 1}) {
		t.Errorf("beyond: %+v", got)
	}
}
