// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/pop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// Decision is what the enforcer found, and what follows from it.
type Decision struct {
	// Allow says that the request may pass.
	Allow bool
	// Enforcing says that a policy in state `on` targets the resource. Where
	// none does, nothing that client or backend can see may change.
	Enforcing bool
	// Exempt says that the path needs no token; nothing else was looked at.
	Exempt bool
	// Anonymous says that the request passes without a credential, because
	// the resource leaves that to its backend.
	Anonymous bool
	// Reason is the first check that failed; none did if it is empty.
	Reason reason.Reason
	// Credential is the token as presented, or only its scheme. It is secret.
	Credential Credential
	// Claims are the verified token's; nil without one.
	Claims *token.Claims
	// Confirmed says that the token names a key or a device whose possession
	// is owed.
	Confirmed bool
	// Bound says that the request proved possession of the confirmed key.
	Bound bool
	// Binding is the proof. Its key is the confirmed one even where a later
	// check failed.
	Binding proof.Binding
	// Device is what the device directory says of the device behind the request.
	Device device.Verdict
	// Session is what the application's session cookies prove; nil without any,
	// and for a request with a token.
	Session *dbsc.State
	// Outcomes has one entry per policy, in the configured order.
	Outcomes []policy.Outcome
	// BreakGlass says that an excluded user passes unbound.
	BreakGlass bool
	// Nonce is a fresh server nonce, where the client must retry with one.
	Nonce string
	// RetryAfter is how long the client should wait, where that helps.
	RetryAfter time.Duration
	// Recorded says that a sign-in record was written for this very request.
	Recorded bool
	// Panicked says that the reason is an unexpected failure of our own.
	Panicked bool

	question      device.Question // kept here, so that asking allocates nothing
	requirement   string          // the name of the requirement that is not met
	verified      *token.Verified
	signed        *pop.SignedRequest // what the token came in, under SchemePoP
	outcomes      [2]policy.Outcome  // backing for the common case
	correlationID string
}

// CorrelationID names this request in the refusal, the sign-in record and the
// placeholders. It is drawn when first asked for.
func (d *Decision) CorrelationID() string {
	if d.correlationID == "" {
		d.correlationID = signin.NewID()
	}
	return d.correlationID
}

// UserID is whom a valid token or the application's session names, by the
// immutable id if there is one; empty if neither names anybody.
func (d *Decision) UserID() string {
	switch {
	case d.Claims != nil && d.Claims.UserID != "":
		return d.Claims.UserID
	case d.Claims != nil:
		return d.Claims.User
	case d.Session != nil:
		return d.Session.User
	}
	return ""
}

// Code is the session status code of the sign-in log.
func (d *Decision) Code() int {
	if d.Bound && d.Reason == reason.None {
		return reason.CodeBound
	}
	return d.Reason.Answer().Code
}

// fail ends the way of a request early: nothing else was looked at.
func (d *Decision) fail(why reason.Reason) *Decision {
	d.Reason = why
	return d
}
