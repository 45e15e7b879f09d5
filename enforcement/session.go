// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// verifySession judges the session cookies of a request without a token. Its
// reason is [reason.CredentialMissing] where there are none.
func (e *Enforcer) verifySession(d *Decision, r *Request, now time.Time) reason.Reason {
	state := e.Sessions.Inspect(r.HTTP, now)
	switch state.Status {
	case dbsc.Anonymous:
		return reason.CredentialMissing
	case dbsc.Ambiguous:
		return reason.SessionAmbiguous
	}
	d.Session = &state
	switch state.Status {
	case dbsc.Bound:
		// Confirmed, for a revoked key must not make it an unbound one, which policies may let off.
		d.Bound, d.Confirmed, d.Binding = true, true, state.Binding
		return reason.None
	case dbsc.Grace:
		return reason.SessionGrace
	case dbsc.Expired, dbsc.Missing:
		d.Confirmed = true
		return reason.SessionExpired
	case dbsc.Mismatched:
		d.Confirmed = true
		return reason.SessionMismatched
	case dbsc.Ended:
		d.Confirmed = true
		return reason.SessionEnded
	}
	d.Confirmed = state.User == "" // whose it is nobody knows, so that no policy can let him off
	return reason.SessionUnproven
}

// carriesSession reports whether a request has session cookies of the
// application beside its token: two credentials, of which the backend might
// prefer the one that was not judged.
func (e *Enforcer) carriesSession(r *Request, now time.Time) bool {
	if e.Sessions == nil {
		return false
	}
	state := e.Sessions.Inspect(r.HTTP, now)
	return state.Status != dbsc.Anonymous
}

// proven reports whether the request may pass where proof is required.
func (d *Decision) proven() bool { return d.Bound || d.Reason == reason.SessionGrace }
