// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
)

// While two configurations run side by side with replay sets of their own,
// each spends proofs that the other does not know.
func TestSetsThatRanSideBySideNeedYoungerNonces(t *testing.T) {
	app := func() *App {
		replay, err := enforcement.NewReplay(10, 10, time.Minute, time.Second, time.Unix(1700000000, 0))
		if err != nil {
			t.Fatal(err)
		}
		a := new(App)
		a.replay, a.spent = replay, spentSets{{scheme: proof.DPoP}: replay}
		return a
	}
	former, next := app(), app()
	same := new(App)
	same.replay, same.spent = next.replay, next.spent
	var running runningApps
	running.enter(former)
	if got := former.replay.Stats().Watermark; !got.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("alone: the watermark rose to %v", got)
	}
	began := time.Now()
	running.enter(next)
	if got := next.replay.Stats().Watermark; got.Before(began) {
		t.Errorf("at the take-over: the watermark is %v, want %v or later", got, began)
	}
	ended := time.Now()
	running.leave(former)
	if got := next.replay.Stats().Watermark; got.Before(ended) {
		t.Errorf("when the former stops: the watermark is %v, want %v or later", got, ended)
	}
	risen := next.replay.Stats().Watermark
	running.enter(same)
	running.leave(next)
	if got := same.replay.Stats().Watermark; !got.Equal(risen) {
		t.Errorf("with one set: the watermark rose from %v to %v", risen, got)
	}
}
