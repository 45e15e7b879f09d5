// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
)

// setName tells an app's sets of spent proofs apart. Browser sessions have one
// for each resource.
type setName struct {
	scheme   proof.Scheme
	resource string
}

// spentSets are the sets that an app and its handlers use.
type spentSets map[setName]enforcement.Replay

// confess raises the watermarks of sets which ran side by side with others:
// until now, those may have spent what these do not know.
func (s spentSets) confess(others spentSets, now time.Time) {
	for name, set := range s {
		if others[name] != set {
			set.Raise(now)
		}
	}
}

// stats are the states by scheme, those of several resources added up; of
// watermarks the latest counts.
func (s spentSets) stats() map[proof.Scheme]enforcement.ReplayStats {
	all := make(map[proof.Scheme]enforcement.ReplayStats)
	for name, set := range s {
		sum, one := all[name.scheme], set.Stats()
		sum.Entries += one.Entries
		sum.Replayed += one.Replayed
		sum.OverQuota += one.OverQuota
		sum.Overflows += one.Overflows
		if one.Watermark.After(sum.Watermark) {
			sum.Watermark = one.Watermark
		}
		all[name.scheme] = sum
	}
	return all
}

func (a *App) provisionReplay() (err error) {
	if a.Replay.Store == storeRedis {
		if a.store, err = a.replayStore(); err != nil {
			return err
		}
	}
	a.replay, err = a.replaySet(proof.DPoP, "", time.Duration(a.Proof.MaxAge), time.Duration(*a.Proof.ClockSkew))
	return err
}

// replayStore returns the connection to Redis. A reload that changes nothing
// about it takes it over.
func (a *App) replayStore() (*enforcement.ReplayStore, error) {
	config, err := a.Replay.redis()
	if err != nil {
		return nil, err
	}
	config.Report = report(a.Replay.OnOutage)
	a.storeKey = "replay store " + a.Replay.fingerprint(config)
	return take(&a.holds, a.storeKey, func() (*enforcement.ReplayStore, error) { return enforcement.NewReplayStore(config) })
}

// replaySet returns the set of spent proofs of one scheme.
func (a *App) replaySet(scheme proof.Scheme, resource string, maxAge, skew time.Duration) (enforcement.Replay, error) {
	name := string(scheme)
	if resource != "" {
		name += " " + resource
	}
	key := fmt.Sprintf("replay memory %s %d %d %v %v", name, a.Replay.MaxEntries, a.Replay.MaxPerKey, maxAge, skew)
	local, err := take(&a.holds, key, func() (*enforcement.LocalReplay, error) {
		start := started
		if live.started() { // another set was in use until now, and knows what this one does not
			start = time.Now()
		}
		return enforcement.NewReplay(a.Replay.MaxEntries, a.Replay.MaxPerKey, maxAge, skew, start)
	})
	if err != nil {
		return nil, err
	}
	var set enforcement.Replay = local
	if a.store != nil {
		set, err = take(&a.holds, key+" "+a.storeKey, func() (*enforcement.SharedReplay, error) {
			return enforcement.ShareReplay(a.store, name, a.Replay.MaxPerKey, maxAge, skew, local)
		})
		if err != nil {
			return nil, err
		}
	}
	if a.spent == nil {
		a.spent = make(spentSets)
	}
	a.spent[setName{scheme, resource}] = set
	return set, nil
}
