// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"time"
)

// readiness is the answer of `GET /token_protection/ready`.
type readiness struct {
	Ready bool `json:"ready"`
	// WaitingFor lists the issuers whose keys were never had.
	WaitingFor []string `json:"waiting_for,omitempty"`
	// Reason is why nothing is ready where no issuer is to blame.
	Reason string `json:"reason,omitempty"`
}

// serveReady says whether this node can judge tokens. A node that has had its
// keys once stays ready: if the issuer fails later, all nodes lose it alike,
// and to take them all out of service would only take the exempt paths and
// the report-only resources along. That is what the alerts on key-set age are for.
func serveReady(a *App, _ *http.Request, _ time.Time) (status int, answer any, err error) {
	waiting := a.waitingFor()
	if len(waiting) > 0 {
		return http.StatusServiceUnavailable, readiness{WaitingFor: waiting}, nil
	}
	return http.StatusOK, readiness{Ready: true}, nil
}

func idleReady() (status int, answer any) {
	return http.StatusServiceUnavailable, readiness{Reason: "no configuration with token_protection runs"}
}

// waitingFor lists the issuers whose keys were never had. An issuer that is
// asked about its opaque tokens needs none for those.
func (a *App) waitingFor() []string {
	var waiting []string
	for i, keys := range a.keySets {
		if keys.Status().Fetched.IsZero() && a.Issuers[i].Introspection == nil {
			waiting = append(waiting, a.Issuers[i].Issuer)
		}
	}
	return waiting
}
