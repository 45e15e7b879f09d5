// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"slices"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// check is one step of a request's way, in the order in which the enforcer
// takes them. It failed if the decision's reason is among its own.
type check struct {
	name    string
	section string
	reasons []reason.Reason
}

var framingChecks = []check{
	{"framing and method", "RFC 9110, section 9.3; RFC 8470, section 5.2", []reason.Reason{reason.EarlyData, reason.MethodRefused}},
	{"Connection names no header that is judged", "RFC 9110, section 7.6.1", []reason.Reason{reason.ConnectionHeader}},
	{"exactly one credential", "RFC 6750, section 2; RFC 9449, section 7.1", []reason.Reason{
		reason.CredentialMissing, reason.CredentialForeign, reason.CredentialMalformed, reason.CredentialsSeveral, reason.ProofsSeveral,
	}},
}

var signedRequestForm = check{"the credential is a signed HTTP request", "draft-ietf-oauth-signed-http-request, section 3", []reason.Reason{
	reason.ProofMissing, reason.ProofTooLarge, reason.ProofMalformed,
}}

var tokenChecks = []check{
	{"the token is a strict JWS, or known to its issuer", "RFC 7515, section 5.2; RFC 7662, section 2.2", []reason.Reason{
		reason.TokenTooLarge, reason.TokenMalformed, reason.TokenInactive, reason.IntrospectionUnavailable,
	}},
	{"a configured issuer, with a type and an algorithm that it uses", "RFC 9068, section 4; RFC 8725, sections 3.1 and 3.11", []reason.Reason{
		reason.TokenIssuer, reason.TokenType, reason.TokenAlgorithm,
	}},
	{"the issuer's key set has the key", "RFC 7517, section 5", []reason.Reason{reason.KeySetUnavailable, reason.TokenKeyUnknown}},
	{"the issuer's signature", "RFC 7515, section 5.2", []reason.Reason{reason.TokenSignature}},
	{"claims and confirmation", "RFC 9068, section 2.2; RFC 7800, section 3.1", []reason.Reason{reason.TokenClaims, reason.ConfirmationMalformed}},
	{"the token is for this resource", "RFC 9068, section 4", []reason.Reason{reason.TokenAudience}},
	{"the token is valid at this time", "RFC 7519, sections 4.1.4 and 4.1.5", []reason.Reason{reason.TokenExpired, reason.TokenNotYetValid}},
}

var schemeCheck = check{"the token is bound, and comes under the scheme of its confirmation", "RFC 7800, section 3.1; RFC 9449, section 7.1", []reason.Reason{
	reason.TokenUnbound, reason.SchemeMismatch, reason.SchemeUnavailable,
}}

var certificateChecks = []check{
	{"one client certificate", "RFC 8705, section 3; RFC 9440, section 2", []reason.Reason{reason.CertificateMissing, reason.CertificateMalformed}},
	{"the certificate is the confirmed one, or the device's", "RFC 8705, section 3.1", []reason.Reason{reason.KeyMismatch, reason.CertificateUntrusted}},
}

var dpopChecks = []check{
	{"one proof", "RFC 9449, section 4.3, check 1", []reason.Reason{reason.ProofMissing, reason.ProofsSeveral}},
	{"the proof is a strict JWS with the claims of one", "RFC 9449, section 4.3, checks 2 and 3", []reason.Reason{reason.ProofTooLarge, reason.ProofMalformed}},
	{"the proof's type, algorithm and key", "RFC 9449, section 4.3, checks 4, 5 and 7", []reason.Reason{reason.ProofType, reason.ProofAlgorithm, reason.ProofKey}},
	{"the proof's key is the confirmed one", "RFC 9449, section 4.3, check 12", []reason.Reason{reason.KeyMismatch}},
	{"htm is the method", "RFC 9449, section 4.3, check 8", []reason.Reason{reason.ProofMethod}},
	{"htu is the URL that the client addressed", "RFC 9449, section 4.3, check 9", []reason.Reason{reason.ProofURL}},
	{"ath is the hash of the token", "RFC 9449, section 4.3, check 12", []reason.Reason{reason.ProofTokenHash}},
	{"iat is within the window", "RFC 9449, section 4.3, check 11", []reason.Reason{reason.ProofTime}},
	{"the server's nonce, where one is owed", "RFC 9449, section 4.3, check 10", []reason.Reason{reason.NonceMissing, reason.NonceStale}},
	{"the device key's signature", "RFC 9449, section 4.3, check 6", []reason.Reason{reason.ProofSignature}},
}

var signedRequestChecks = []check{
	{"the signed request's type, algorithm and key", "draft-ietf-oauth-signed-http-request, sections 3 and 6.2", []reason.Reason{
		reason.ProofMissing, reason.ProofMalformed, reason.ProofType, reason.ProofAlgorithm, reason.ProofKey,
	}},
	{"its key is the confirmed one", "RFC 7800, section 3.1", []reason.Reason{reason.KeyMismatch}},
	{"m is the method", "draft-ietf-oauth-signed-http-request, section 4.2", []reason.Reason{reason.ProofMethod}},
	{"u and p are the URL that the client addressed", "draft-ietf-oauth-signed-http-request, section 4.2", []reason.Reason{reason.ProofURL}},
	{"ts is within the window", "draft-ietf-oauth-signed-http-request, section 4.2", []reason.Reason{reason.ProofTime}},
	{"q covers the query", "draft-ietf-oauth-signed-http-request, section 4.2", []reason.Reason{reason.ProofQuery}},
	{"h covers the headers", "draft-ietf-oauth-signed-http-request, section 4.2", []reason.Reason{reason.ProofHeaders}},
	{"the server's nonce, where one is owed", "RFC 9449, section 11.3", []reason.Reason{reason.NonceMissing, reason.NonceStale}},
	{"the device key's signature", "RFC 7515, section 5.2", []reason.Reason{reason.ProofSignature}},
	{"b is the hash of the body", "draft-ietf-oauth-signed-http-request, section 4.2", []reason.Reason{reason.ProofBody, reason.BodyTooLarge, reason.BodiesHeld}},
}

var sessionChecks = []check{
	{"session cookies can be read in one way only", "RFC 6265, section 5.4", []reason.Reason{reason.SessionAmbiguous}},
	{"the bound cookie proves the session", "Device Bound Session Credentials", []reason.Reason{
		reason.SessionGrace, reason.SessionUnproven, reason.SessionExpired, reason.SessionMismatched, reason.SessionEnded,
	}},
}

// deviceChecks are about the device behind the proof. The reasons of a device
// directory are named here by their words.
var deviceChecks = []check{
	{"the device is known, enabled and its user's, and the key is its own", "Conditional Access", []reason.Reason{
		"device_unknown", "device_disabled", "device_unsupported", "key_not_registered", "device_owner", "device_revoked", "device_withdrawn", "key_revoked", "directory_unavailable",
	}},
	{"system and client are new enough", "Conditional Access", []reason.Reason{"system_version", "client_version", "client_unsupported"}},
	{"the key is hardware-backed, where a policy requires it", "Conditional Access", []reason.Reason{reason.HardwareKey}},
}

// spentCheck comes last of all.
var spentCheck = check{"the proof was not spent before", "RFC 9449, section 11.1", []reason.Reason{reason.ProofReplayed, reason.ReplayQuota, reason.ReplayUnavailable}}

// result is how a check ended.
type result struct {
	check
	passed, failed bool // neither: it was not reached
}

// explain says of each check that the request owed how it ended.
func explain(d *enforcement.Decision) []result {
	owed, token := checksOf(d)
	from := 0
	if d.Claims != nil {
		from = token // what has claims passed the checks of the token
	}
	failed := len(owed)
	if d.Reason != reason.None {
		if failed = from + slices.IndexFunc(owed[from:], func(c check) bool { return slices.Contains(c.reasons, d.Reason) }); failed < from {
			failed = from // of what is not known here nobody knows what comes after it
			owed = slices.Insert(owed, from, check{"another check", "", []reason.Reason{d.Reason}})
		}
	}
	results := make([]result, len(owed))
	for i, c := range owed {
		results[i] = result{check: c, passed: i < failed, failed: i == failed}
	}
	return results
}

// checksOf lists what the request owed, and how many of these checks are over
// once the token has been verified.
func checksOf(d *enforcement.Decision) (owed []check, token int) {
	owed = slices.Clone(framingChecks)
	if d.Session != nil || d.Reason == reason.SessionAmbiguous {
		return append(append(owed, sessionChecks...), deviceChecks...), 0
	}
	if d.Credential.Scheme == enforcement.SchemePoP {
		owed = append(owed, signedRequestForm)
	}
	owed = append(owed, tokenChecks...)
	token = len(owed)
	owed = append(owed, schemeCheck)
	if d.Claims == nil {
		return owed, token
	}
	confirmation := &d.Claims.Confirmation
	if confirmation.X5T != nil || d.Confirmed && !confirmation.Present {
		owed = append(owed, certificateChecks...)
	}
	switch {
	case confirmation.JKT != nil:
		owed = append(owed, dpopChecks...)
	case confirmation.SignedRequest != nil:
		owed = append(owed, signedRequestChecks...)
	}
	return append(append(owed, deviceChecks...), spentCheck), token
}
