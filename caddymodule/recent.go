// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"sync"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// recent holds the newest decisions for the status page. Like the metrics it
// lives as long as the process.
var recent recentDecisions

// maxRecent is how many decisions are held.
const maxRecent = 20

// recentDecisions is a ring of the newest sign-in records. They come from the
// sign-in log, so that requests which are only counted cost nothing here.
type recentDecisions struct {
	mu      sync.Mutex
	ring    [maxRecent]recentDecision
	written uint64
}

// recentDecision is what the status page shows of a sign-in record. As in the
// record there is no secret in it.
type recentDecision struct {
	Time          string `json:"time"`
	CorrelationID string `json:"correlation_id"`
	Resource      string `json:"resource"`
	User          string `json:"user,omitempty"`
	App           string `json:"app,omitempty"`
	Address       string `json:"address,omitempty"`
	Decision      string `json:"decision"`
	Status        string `json:"status"`
	Code          int    `json:"code"`
	Reason        string `json:"reason,omitempty"`
	Scheme        string `json:"scheme,omitempty"`
	Thumbprint    string `json:"thumbprint,omitempty"`
	Requests      int    `json:"requests"`
}

// watching returns a sink that writes records to next and notes them.
func (d *recentDecisions) watching(next func(signin.Record)) func(signin.Record) {
	return func(r signin.Record) {
		d.note(r)
		next(r)
	}
}

func (d *recentDecisions) note(r signin.Record) {
	noted := recentDecision{
		Time: r.TimeGenerated, CorrelationID: r.CorrelationID, Resource: r.ResourceDisplayName,
		User: r.UserPrincipalName, App: r.AppID, Address: r.IPAddress, Decision: r.Decision,
		Status: r.TokenProtectionStatusDetails.SignInSessionStatus, Code: r.TokenProtectionStatusDetails.SignInSessionStatusCode,
		Reason: r.Status.AdditionalDetails, Scheme: r.ProofScheme, Thumbprint: r.DeviceKeyThumbprint, Requests: r.RequestCount,
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ring[d.written%maxRecent] = noted
	d.written++
}

// newest returns what is held, the newest first, and how many records were
// written in all.
func (d *recentDecisions) newest() (list []recentDecision, written uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list = make([]recentDecision, 0, maxRecent)
	for i := range min(d.written, maxRecent) {
		list = append(list, d.ring[(d.written-1-i)%maxRecent])
	}
	return list, d.written
}
