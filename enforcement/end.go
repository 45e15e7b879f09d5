// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"net/http"
	"net/url"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Opened is what the record of an allowed request needs that may be gone when
// its answer has to end early.
type Opened struct {
	// Address, UserAgent and Path are the request's.
	Address, UserAgent, Path string
}

// End records that a request which was allowed had to end before its answer
// was complete, because its device or key was revoked (see [Enforcer.Watch]).
// The record has a correlation id of its own.
func (e *Enforcer) End(d *Decision, opened Opened, why reason.Reason) {
	ended := &Decision{
		Enforcing: d.Enforcing, Reason: why, Claims: d.Claims, Confirmed: d.Confirmed, Binding: d.Binding,
		Device: d.Device, Session: d.Session, Outcomes: d.Outcomes,
	}
	e.record(ended, &Request{
		HTTP:    &http.Request{Header: http.Header{"User-Agent": {opened.UserAgent}}, URL: &url.URL{Path: opened.Path}},
		Address: opened.Address,
	}, e.Now())
}
