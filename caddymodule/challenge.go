// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/pop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// The names of authentication schemes in challenges. MSAL looks for PoP in
// just this case.
const (
	challengeDPoP   = "DPoP"
	challengeBearer = "Bearer"
	challengePoP    = "PoP"
	challengeMTLS   = "mtls_pop"
)

// refusals holds what challenges say, which is nearly the same for every request.
type refusals struct {
	accepted   []string // the schemes, the preferred one first
	realm      string   // `realm="..."`, or empty
	algorithms string   // `algs="..."`
	pop        *pop.Verifier
}

func newRefusals(realm string, config enforcement.Config, algorithms []jose.Algorithm) refusals {
	c := refusals{algorithms: `algs="` + strings.Join(names(algorithms), " ") + `"`, pop: config.PoP}
	if realm != "" {
		c.realm = `realm="` + realm + `"`
	}
	for _, scheme := range []struct {
		name     string
		accepted bool
	}{
		{challengeDPoP, config.DPoP != nil},
		{challengePoP, config.PoP != nil},
		{challengeBearer, config.MTLS != nil},
	} {
		if scheme.accepted {
			c.accepted = append(c.accepted, scheme.name)
		}
	}
	return c
}

// challenge writes one WWW-Authenticate line per scheme (RFC 9110, section
// 11.6.1). The error stands in the scheme that was tried where the token was
// at fault, and else in the scheme that would work (RFC 9449, section 7.2).
func (c refusals) challenge(header http.Header, decision *enforcement.Decision, answer reason.Answer, now time.Time) {
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusBadRequest, http.StatusForbidden:
	default:
		return
	}
	add := func(scheme string, answer reason.Answer) {
		header.Add("WWW-Authenticate", c.line(scheme, answer, decision, now))
	}
	switch scheme := tried(decision); {
	case answer.Error == "": // RFC 6750, section 3.1: no error for who sent nothing
		for _, accepted := range c.accepted {
			add(accepted, answer)
		}
	case decision.Claims == nil && answer.Error == reason.InvalidToken && scheme != "":
		add(scheme, answer)
		for _, accepted := range c.accepted {
			if accepted != scheme {
				add(accepted, reason.Answer{})
			}
		}
	case decision.Reason == reason.TokenUnbound:
		for _, bound := range c.bound() {
			add(bound, answer)
		}
	default:
		add(c.owed(decision), answer)
	}
}

// tried returns the scheme that the client used.
func tried(decision *enforcement.Decision) string {
	switch decision.Credential.Scheme {
	case enforcement.SchemeDPoP:
		return challengeDPoP
	case enforcement.SchemeBearer:
		return challengeBearer
	case enforcement.SchemePoP:
		return challengePoP
	case enforcement.SchemeMTLS:
		return challengeMTLS
	}
	return ""
}

// bound returns the accepted schemes whose name alone says that a proof is
// owed; Bearer, if nothing else is accepted.
func (c refusals) bound() []string {
	bound := slices.DeleteFunc(slices.Clone(c.accepted), func(scheme string) bool { return scheme == challengeBearer })
	if len(bound) == 0 {
		return []string{challengeBearer}
	}
	return bound
}

// owed returns the scheme that the token's confirmation asks for; without a
// token, the preferred one.
func (c refusals) owed(decision *enforcement.Decision) string {
	if decision.Claims != nil && decision.Confirmed {
		switch confirmation := &decision.Claims.Confirmation; {
		case confirmation.JKT != nil:
			return challengeDPoP
		case confirmation.SignedRequest != nil:
			return challengePoP
		}
		return challengeBearer
	}
	if scheme := tried(decision); scheme == challengePoP && c.pop != nil {
		return scheme
	}
	if len(c.accepted) == 0 { // only bound sessions, which need no challenge
		return challengeBearer
	}
	return c.accepted[0]
}

// line is one challenge. The words of DPoP's errors mean nothing in others.
func (c refusals) line(scheme string, answer reason.Answer, decision *enforcement.Decision, now time.Time) string {
	var parameters []string
	if c.realm != "" {
		parameters = append(parameters, c.realm)
	}
	word := answer.Error
	if scheme != challengeDPoP {
		switch word {
		case reason.InvalidDPoPProof:
			word = reason.InvalidToken
		case reason.UseDPoPNonce:
			word = "" // the nonce says it
		}
	}
	if word != "" {
		parameters = append(parameters, `error="`+word+`"`, `error_description="`+answer.Detail+`"`)
	}
	switch {
	case scheme == challengeDPoP:
		parameters = append(parameters, c.algorithms)
	case scheme == challengePoP && c.pop != nil:
		nonce := decision.Nonce
		if nonce == "" {
			nonce = c.pop.Memory().Nonce(now)
		}
		parameters = append(parameters, `nonce="`+nonce+`"`)
	}
	if len(parameters) == 0 {
		return scheme
	}
	return scheme + " " + strings.Join(parameters, ", ")
}

// nameMetadata adds where the resource's metadata is (RFC 9728, section 5.1).
func nameMetadata(challenges []string, location string) {
	if location == "" {
		return
	}
	for i, challenge := range challenges {
		separator := ", "
		if !strings.Contains(challenge, " ") { // a bare scheme
			separator = " "
		}
		challenges[i] = challenge + separator + `resource_metadata="` + location + `"`
	}
}

// wantsClaims reports whether the client understands to get another token
// with what the refusal asks for (xms_cc = cp1); others would try for ever.
func wantsClaims(decision *enforcement.Decision, answer reason.Answer) bool {
	revoked := decision.Reason == reason.DeviceRevoked || decision.Reason == reason.KeyRevoked
	return (answer.Status == http.StatusForbidden || revoked) && decision.Claims != nil && decision.Claims.ClaimsChallenge
}

// claimsChallenge is Entra's continuous access evaluation: only a token that
// is issued from now on will do.
func (c refusals) claimsChallenge(decision *enforcement.Decision, now time.Time) string {
	claims := `{"access_token":{"nbf":{"essential":true,"value":"` + strconv.FormatInt(now.Unix(), 10) + `"}}}`
	return `Bearer realm="", authorization_uri="` + decision.Claims.Issuer + `", error="insufficient_claims", claims="` +
		base64.StdEncoding.EncodeToString([]byte(claims)) + `"`
}
