// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dpop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/pop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// prove asks for the proofs that the token's confirmation owes, whatever the
// client chose to send: the issuer chooses the scheme. A missing server nonce
// may be excused.
func (e *Enforcer) prove(d *Decision, r *Request, excuseNonce bool, now time.Time) (why reason.Reason) {
	confirmation := &d.Claims.Confirmation
	d.Confirmed = true
	switch {
	case confirmation.Present:
		why = e.proveKeys(d, r, excuseNonce, now)
	case e.MTLS != nil && e.MTLS.BindsDevices() && d.Claims.Device != "":
		why = e.proveDevice(d, r, now)
	default:
		d.Confirmed, why = false, reason.TokenUnbound
	}
	d.Bound = why == reason.None
	return why
}

// proveKeys asks for every key that the confirmation names, the cheap proof
// first.
func (e *Enforcer) proveKeys(d *Decision, r *Request, excuseNonce bool, now time.Time) (why reason.Reason) {
	confirmation := &d.Claims.Confirmation
	switch {
	case !e.accepts(confirmation):
		return reason.SchemeUnavailable
	case !carries(d.Credential.Scheme, confirmation):
		return reason.SchemeMismatch
	}
	if confirmation.X5T != nil {
		if d.Binding, why = e.MTLS.Confirm(r.HTTP, confirmation.X5T); why != reason.None {
			return why
		}
	}
	switch {
	case confirmation.JKT != nil:
		d.Binding, why = e.DPoP.Verify(&dpop.Request{
			Headers:     r.HTTP.Header["Dpop"],
			Method:      r.HTTP.Method,
			URL:         r.URL,
			Token:       d.verified.Hash,
			Confirmed:   confirmation.JKT,
			ExcuseNonce: excuseNonce,
		}, now)
	case confirmation.SignedRequest != nil:
		d.Binding, why = e.PoP.Verify(d.signed, &pop.Request{
			Context:       r.HTTP.Context(),
			Method:        r.HTTP.Method,
			URL:           r.URL,
			RawQuery:      r.SentQuery,
			Header:        r.HTTP.Header,
			Body:          &r.HTTP.Body,
			ContentLength: r.HTTP.ContentLength,
			Confirmed:     confirmation.SignedRequest,
			ExcuseNonce:   excuseNonce,
		}, now)
	}
	return why
}

// proveDevice asks for a certificate of the device that the token names.
func (e *Enforcer) proveDevice(d *Decision, r *Request, now time.Time) (why reason.Reason) {
	if !carriesCertificate(d.Credential.Scheme) {
		return reason.SchemeMismatch
	}
	d.Binding, why = e.MTLS.ConfirmDevice(r.HTTP, d.Claims.Device, now)
	return why
}

// accepts reports whether the resource accepts every proof that is owed.
func (e *Enforcer) accepts(c *token.Confirmation) bool {
	return (c.JKT == nil || e.DPoP != nil) && (c.X5T == nil || e.MTLS != nil) && (c.SignedRequest == nil || e.PoP != nil)
}

// carries reports whether a token with this confirmation may come under the
// scheme. A signed request and a DPoP proof cannot come together.
func carries(scheme AuthScheme, c *token.Confirmation) bool {
	switch {
	case c.JKT != nil && c.SignedRequest != nil:
		return false
	case c.JKT != nil:
		return scheme == SchemeDPoP // RFC 9449, section 7.1
	case c.SignedRequest != nil:
		return scheme == SchemePoP
	}
	return carriesCertificate(scheme)
}

// carriesCertificate reports whether the scheme leaves the proof to TLS (RFC
// 8705, section 3; MSAL spells it mtls_pop).
func carriesCertificate(scheme AuthScheme) bool {
	return scheme == SchemeBearer || scheme == SchemeMTLS
}

// memory is that of signed requests, or of DPoP proofs.
func (e *Enforcer) memory(signedRequests bool) proof.Memory {
	if signedRequests {
		return e.PoP.Memory()
	}
	return e.DPoP.Memory()
}

// spend records the proof, last of all, so that a refused request consumes
// nothing. Of several copies exactly one gets through. A proof without an
// identity is the connection itself, which cannot be copied.
func (e *Enforcer) spend(d *Decision, r *Request, now time.Time) {
	if d.Binding.ID == "" {
		return
	}
	memory := e.memory(d.Binding.Scheme == proof.PoP)
	var why reason.Reason
	switch memory.Spend(d.Binding, now) {
	case cache.Added:
		if memory.StillFresh(d.Binding) {
			return
		}
		why = reason.NonceStale
	case cache.OverQuota:
		why = reason.ReplayQuota
	case cache.Unavailable:
		why = reason.ReplayUnavailable
	case cache.Doubtful:
		why = reason.NonceStale
	default:
		why = reason.ProofReplayed
	}
	d.Bound, d.Reason = false, why
	e.judge(d, r)
}

// advise tells a well-behaved client how to go on.
func (e *Enforcer) advise(d *Decision, now time.Time) {
	switch d.Reason {
	case reason.NonceMissing, reason.NonceStale:
		d.Nonce = e.memory(d.Credential.Scheme == SchemePoP).Nonce(now)
	case reason.KeySetUnavailable:
		d.RetryAfter = token.FetchPause
	case reason.IntrospectionUnavailable, reason.BodiesHeld, reason.DirectoryUnavailable, reason.ReplayUnavailable:
		d.RetryAfter = retrySoon
	case reason.ReplayQuota:
		d.RetryAfter = e.memory(d.Binding.Scheme == proof.PoP).Replay.Retention()
	}
}

// retrySoon is for a dependency that may answer again at any moment.
const retrySoon = 5 * time.Second
