// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strconv"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

func TestRecentHoldsTheNewestOnly(t *testing.T) {
	var d recentDecisions
	if list, written := d.newest(); list == nil || len(list) != 0 || written != 0 {
		t.Errorf("at first: %v, %d", list, written)
	}
	passed := 0
	sink := d.watching(func(signin.Record) { passed++ })
	for i := range maxRecent + 5 {
		sink(signin.Record{CorrelationID: strconv.Itoa(i), RequestCount: i})
	}
	list, written := d.newest()
	if len(list) != maxRecent || written != maxRecent+5 || passed != maxRecent+5 {
		t.Fatalf("%d held, %d written, %d passed on", len(list), written, passed)
	}
	for i, decision := range list {
		if want := maxRecent + 4 - i; decision.CorrelationID != strconv.Itoa(want) || decision.Requests != want {
			t.Errorf("number %d is %+v", i, decision)
		}
	}
}
