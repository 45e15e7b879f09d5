// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// status is the answer of `GET /token_protection/status`. There is no secret
// in it.
type status struct {
	Version       string           `json:"version"`
	Go            string           `json:"go,omitempty"`
	Started       time.Time        `json:"started"`
	Uptime        int64            `json:"uptime_seconds"`
	Clock         clockStatus      `json:"clock"`
	Ready         bool             `json:"ready"`
	Resources     []resourceStatus `json:"resources"`
	Policies      []policyStatus   `json:"policies"`
	KeySets       []keySetStatus   `json:"key_sets"`
	ReplaySets    []replayStatus   `json:"replay_sets"`
	Caches        []cacheStatus    `json:"caches"`
	SignInLog     signInLogStatus  `json:"sign_in_log"`
	LastDecisions []recentDecision `json:"last_decisions"`
}

// clockStatus tells whether the clock can be right.
type clockStatus struct {
	Now time.Time `json:"now"`
	// Built is when the binary's source was committed, if that is known.
	Built *time.Time `json:"built,omitempty"`
	// BeforeBuild says that the clock is behind that time, and so is wrong.
	BeforeBuild bool `json:"before_build"`
}

// resourceStatus says how a resource is protected.
type resourceStatus struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name"`
	AppID       string `json:"app_id,omitempty"`
	// Mode is the strongest state of the policies that target it: on,
	// report_only or off.
	Mode string `json:"mode"`
	// Policies are the ids of those policies.
	Policies []string `json:"policies"`
}

// policyStatus names a policy and its state.
type policyStatus struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Rollout int    `json:"rollout_percent"`
}

// keySetStatus says how fresh an issuer's keys are.
type keySetStatus struct {
	Issuer   string     `json:"issuer"`
	Keys     int        `json:"keys"`
	Fetched  *time.Time `json:"fetched,omitempty"`
	Age      int64      `json:"age_seconds"`
	Expired  bool       `json:"expired"`
	Fetches  uint64     `json:"fetches"`
	Failures uint64     `json:"failures"`
	// Fault is the class of the last failure; empty if the last fetch succeeded.
	Fault keySetFault `json:"fault,omitempty"`
}

// replayStatus is the state of one set of spent proofs.
type replayStatus struct {
	Scheme    string    `json:"scheme"`
	Entries   int       `json:"entries"`
	Replayed  uint64    `json:"replayed"`
	OverQuota uint64    `json:"over_quota"`
	Overflows uint64    `json:"overflows"`
	Watermark time.Time `json:"watermark"`
}

// cacheStatus is the state of one cache.
type cacheStatus struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
	Hits    uint64 `json:"hits"`
	Misses  uint64 `json:"misses"`
}

// signInLogStatus is the state of the sign-in log.
type signInLogStatus struct {
	Interval float64 `json:"interval_seconds"`
	// Records were written since the process started.
	Records uint64 `json:"records"`
	// Kinds are told apart at the moment; Folds count those that are not.
	Kinds int `json:"kinds"`
	Folds int `json:"folds"`
}

func serveStatus(a *App, _ *http.Request, now time.Time) (int, any, error) {
	facts := build()
	s := status{
		Version: facts.version, Go: facts.goes, Started: started.Round(0), Uptime: int64(now.Sub(started).Seconds()),
		Clock: clockStatus{Now: now, BeforeBuild: now.Before(facts.built)}, Ready: len(a.waitingFor()) == 0,
		Resources: a.resourceStatus(), Policies: a.policyStatus(), KeySets: a.keySetStatus(now),
		ReplaySets: a.replayStatus(), Caches: a.cacheStatus(),
	}
	if !facts.built.IsZero() {
		s.Clock.Built = &facts.built
	}
	s.LastDecisions, s.SignInLog.Records = recent.newest()
	s.SignInLog.Interval = time.Duration(*a.SignInLog.Interval).Seconds()
	signIns := a.signIns.Stats()
	s.SignInLog.Kinds, s.SignInLog.Folds = signIns.Kinds, signIns.Folds
	return http.StatusOK, s, nil
}

func (a *App) keySetStatus(now time.Time) []keySetStatus {
	list := make([]keySetStatus, len(a.keySets))
	for i, keys := range a.keySets {
		s := keys.Status()
		list[i] = keySetStatus{
			Issuer: s.Issuer, Keys: s.Keys, Age: int64(s.Age(now).Seconds()), Expired: keySetExpired(s, now),
			Fetches: s.Fetches, Failures: s.Failures, Fault: faultOf(s.Err),
		}
		if !s.Fetched.IsZero() {
			fetched := s.Fetched.Round(0)
			list[i].Fetched = &fetched
		}
	}
	return list
}

func (a *App) replayStatus() []replayStatus {
	var list []replayStatus
	stats := a.spent.stats()
	for _, scheme := range slices.Sorted(maps.Keys(stats)) {
		s := stats[scheme]
		list = append(list, replayStatus{string(scheme), s.Entries, s.Replayed, s.OverQuota, s.Overflows, s.Watermark})
	}
	return list
}

func (a *App) cacheStatus() []cacheStatus {
	tokens, keys := a.verified.Stats(), a.keys.Stats()
	return []cacheStatus{
		{"tokens", a.verified.Len(), tokens.Hits, tokens.Misses},
		{"device_keys", a.keys.Len(), keys.Hits, keys.Misses},
	}
}
