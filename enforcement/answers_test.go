// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// situation is a row of contract.md's table "Answers".
type situation struct {
	name string
	send func() *Request
	// where the situation needs more than a request
	edit   func(*setup)
	policy func(*policy.Policy)
	before func(*rig)

	want   reason.Reason
	status int
	error  string
	code   int
	// framing is not looked at, and a missing nonce excused, where nothing is enforced
	framing, excused bool
}

func situations(t *testing.T) []situation {
	bound, free := mint(), mint(unbound)
	authorized := func(authorization string, proofs ...string) func() *Request {
		return func() *Request { return get(authorization, proofs...) }
	}
	proofWith := func(changes members) func() *Request { return func() *Request { return proven(changes) } }
	changed := func(edit func(*Request)) func() *Request {
		return func() *Request {
			r := proven()
			edit(r)
			return r
		}
	}
	const unauthorized, bad = http.StatusUnauthorized, http.StatusBadRequest
	invalid := func(name string, want reason.Reason, tokens ...string) (rows []situation) {
		for _, scheme := range []string{"DPoP ", "Bearer "} {
			rows = append(rows, situation{
				name: name + " under " + scheme, send: authorized(scheme+tokens[0], laptop.prove(tokens[0])),
				want: want, status: unauthorized, error: "invalid_token", code: 1005,
			})
		}
		return rows
	}
	badProof := func(name string, want reason.Reason, send func() *Request) situation {
		return situation{name: name, send: send, want: want, status: unauthorized, error: "invalid_dpop_proof", code: 1005}
	}
	forged := *thief
	forged.jwk = laptop.jwk
	foreign := *issuer
	foreign.private = thief.private
	rows := []situation{
		{name: "no credential", send: authorized(""), want: reason.CredentialMissing, status: unauthorized, code: 1002},
		{name: "empty token", send: authorized("Bearer"), want: reason.CredentialMissing, status: unauthorized, code: 1002},
		{name: "foreign scheme", send: authorized("Basic YTpi"), want: reason.CredentialForeign, status: unauthorized, code: 1002},
		{name: "no scheme", send: authorized("a:b c"), want: reason.CredentialMalformed, status: bad, error: "invalid_request", code: 1005},
		{name: "two credentials", send: changed(func(r *Request) { r.HTTP.Header.Add("Authorization", "Bearer "+free) }),
			want: reason.CredentialsSeveral, status: bad, error: "invalid_request", code: 1005},
		{name: "two proofs", send: changed(func(r *Request) { r.HTTP.Header.Add("DPoP", "x") }),
			want: reason.ProofsSeveral, status: bad, error: "invalid_request", code: 1005},
		{name: "two proofs beside a bad token", send: authorized("Bearer x", "y", "z"),
			want: reason.ProofsSeveral, status: bad, error: "invalid_request", code: 1005},
		{name: "token in the query too", send: changed(func(r *Request) { r.HTTP.URL.RawQuery = "access_token=x" }),
			want: reason.CredentialsSeveral, status: bad, error: "invalid_request", code: 1005},
		{name: "token without confirmation", send: authorized("Bearer " + free),
			want: reason.TokenUnbound, status: unauthorized, error: "invalid_token", code: 1002},
		{name: "token without confirmation, under DPoP with a proof", send: authorized("DPoP "+free, laptop.prove(free)),
			want: reason.TokenUnbound, status: unauthorized, error: "invalid_token", code: 1002},
		{name: "bound token without its proof", send: authorized("DPoP " + bound),
			want: reason.ProofMissing, status: unauthorized, error: "invalid_token", code: 1008},
		{name: "bound token under Bearer", send: authorized("Bearer " + bound),
			want: reason.SchemeMismatch, status: unauthorized, error: "invalid_token", code: 1008},
		{name: "bound token under Bearer with its proof", send: authorized("Bearer "+bound, laptop.prove(bound)),
			want: reason.SchemeMismatch, status: unauthorized, error: "invalid_token", code: 1008},
		{name: "bound token under PoP", send: authorized("PoP "+bound, laptop.prove(bound)),
			want: reason.SchemeMismatch, status: unauthorized, error: "invalid_token", code: 1008},
		{name: "proof by another key", send: authorized("DPoP "+bound, thief.prove(bound)),
			want: reason.KeyMismatch, status: unauthorized, error: "invalid_token", code: 1005},
		badProof("malformed proof", reason.ProofMalformed, authorized("DPoP "+bound, "x")),
		badProof("too large a proof", reason.ProofTooLarge, authorized("DPoP "+bound, strings.Repeat("x", 9000))),
		badProof("proof for another method", reason.ProofMethod, proofWith(members{"htm": "POST"})),
		badProof("proof for another URL", reason.ProofURL, proofWith(members{"htu": "https://evil.example/"})),
		badProof("proof for another token", reason.ProofTokenHash, authorized("DPoP "+bound, laptop.prove(free))),
		badProof("old proof", reason.ProofTime, proofWith(members{"iat": noon.Unix() - 61})),
		badProof("forged proof", reason.ProofSignature, authorized("DPoP "+bound, forged.prove(bound))),
		badProof("access token as proof", reason.ProofType, authorized("DPoP "+bound, bound)),
		{name: "replay", send: proofWith(nil), before: func(g *rig) { g.allows(proven(), reason.None) },
			want: reason.ProofReplayed, status: unauthorized, error: "invalid_dpop_proof", code: 1005},
		{name: "nonce missing", send: proofWith(nil), edit: restarted, excused: true,
			want: reason.NonceMissing, status: unauthorized, error: "use_dpop_nonce", code: 1005},
		{name: "nonce unknown", send: proofWith(members{"nonce": "x"}), edit: restarted, excused: true,
			want: reason.NonceStale, status: unauthorized, error: "use_dpop_nonce", code: 1005},
		{name: "nonce required", send: proofWith(nil), edit: func(s *setup) { s.requireNonce = true }, excused: true,
			want: reason.NonceMissing, status: unauthorized, error: "use_dpop_nonce", code: 1005},
		{name: "key not hardware-backed", send: proofWith(nil), policy: needsHardware,
			want: reason.HardwareKey, status: http.StatusForbidden, error: "access_denied", code: 1004},
		{name: "replay quota exceeded", send: proofWith(members{"jti": "proof-2"}), edit: func(s *setup) { s.maxPerKey = 1 },
			before: func(g *rig) { g.allows(proven(), reason.None) },
			want:   reason.ReplayQuota, status: http.StatusTooManyRequests, code: 1005},
		{name: "key set unavailable", send: proofWith(nil), edit: func(s *setup) { s.keys = unreachable(t) },
			want: reason.KeySetUnavailable, status: http.StatusServiceUnavailable, code: 1005},
		{name: "early data", send: changed(func(r *Request) { r.HTTP.TLS = &tls.ConnectionState{} }), framing: true,
			want: reason.EarlyData, status: http.StatusTooEarly, code: 1005},
		{name: "CONNECT", send: changed(func(r *Request) { r.HTTP.Method = "CONNECT" }), framing: true,
			want: reason.MethodRefused, status: http.StatusMethodNotAllowed, code: 1005},
		{name: "TRACE", send: changed(func(r *Request) { r.HTTP.Method = "TRACE" }), framing: true,
			want: reason.MethodRefused, status: http.StatusMethodNotAllowed, code: 1005},
		{name: "Connection drops what was judged", send: changed(func(r *Request) { r.HTTP.Header.Set("Connection", "close, dpop") }), framing: true,
			want: reason.ConnectionHeader, status: bad, error: "invalid_request", code: 1005},
	}
	for name, c := range map[string]struct {
		token string
		want  reason.Reason
	}{
		"malformed token":    {"x", reason.TokenMalformed},
		"too large a token":  {strings.Repeat("x", 9000), reason.TokenTooLarge},
		"forged token":       {foreign.sign(members{"typ": "at+jwt", "alg": "ES256", "kid": "2026"}, members{"iss": issuerName, "aud": audience, "exp": noon.Unix() + 60}), reason.TokenSignature},
		"expired token":      {mint(members{"exp": noon.Unix() - 16}), reason.TokenExpired},
		"token of tomorrow":  {mint(members{"nbf": noon.Unix() + 16}), reason.TokenNotYetValid},
		"foreign issuer":     {mint(members{"iss": "https://evil.example"}), reason.TokenIssuer},
		"foreign audience":   {mint(members{"aud": "https://files.contoso.example"}), reason.TokenAudience},
		"ID token":           {issuer.sign(members{"typ": "JWT", "alg": "ES256", "kid": "2026"}, members{"iss": issuerName, "aud": audience, "exp": noon.Unix() + 60}), reason.TokenType},
		"empty confirmation": {mint(members{"cnf": members{}}), reason.ConfirmationMalformed},
		"unknown key":        {issuer.sign(members{"typ": "at+jwt", "alg": "ES256", "kid": "1999"}, members{"iss": issuerName, "aud": audience, "exp": noon.Unix() + 60}), reason.TokenKeyUnknown},
	} {
		rows = append(rows, invalid(name, c.want, c.token)...)
	}
	return rows
}

// unreachable is the key set of an issuer that is down.
func unreachable(t *testing.T) *token.KeySet {
	t.Helper()
	keys := ok(token.NewRemoteKeySet(issuerName, issuerName+"/keys", refusing{}))(t)
	t.Cleanup(func() {
		if err := keys.Destruct(); err != nil {
			t.Error(err)
		}
	})
	return keys
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

// rig is an enforcer for the situation.
func (s *situation) rig(t *testing.T, state policy.State) *rig {
	t.Helper()
	if s.edit == nil {
		s.edit = func(*setup) {}
	}
	if s.policy == nil {
		s.policy = func(*policy.Policy) {}
	}
	g := newRig(t, []policy.Policy{rule("token protection", state, s.policy)}, s.edit)
	if s.before != nil {
		s.before(g)
	}
	return g
}

// Contract, "Answers": status, error and code of every situation, and what
// the sign-in record says of it.
func TestAnswersWhereAPolicyIsOn(t *testing.T) {
	for _, s := range situations(t) {
		t.Run(s.name, func(t *testing.T) {
			g := s.rig(t, policy.On)
			r := s.send()
			d := g.blocks(r, s.want)
			given := d.Reason.Answer()
			if given.Status != s.status || given.Error != s.error || d.Code() != s.code {
				t.Errorf("%d %q %d, want %d %q %d", given.Status, given.Error, d.Code(), s.status, s.error, s.code)
			}
			if wants := s.error == "use_dpop_nonce"; wants != (d.Nonce != "") {
				t.Errorf("nonce %q, want one: %v", d.Nonce, wants)
			}
			if wants := s.status == 429 || s.status == 503; wants != (d.RetryAfter >= time.Second) {
				t.Errorf("retry after %v, want some time: %v", d.RetryAfter, wants)
			}
			if d.BreakGlass || d.Anonymous || d.Exempt || d.Panicked {
				t.Errorf("%+v", d)
			}
			if s.framing && s.want != reason.ConnectionHeader {
				if d.Recorded || len(g.records) > 0 {
					t.Error("recorded, although nothing was looked at")
				}
				return
			}
			s.checkRecord(t, g, d, r)
		})
	}
}

func (s *situation) checkRecord(t *testing.T, g *rig, d *Decision, r *Request) {
	t.Helper()
	record := g.last()
	if record.Decision != signin.Block || record.CorrelationID != d.CorrelationID() ||
		record.ResultType != "530084" || record.Status.ErrorCode != 530084 || record.Status.FailureReason == "" ||
		record.TokenProtectionStatusDetails.SignInSessionStatusCode != s.code ||
		!strings.HasPrefix(record.Status.AdditionalDetails, string(s.want)) ||
		record.ConditionalAccessStatus != signin.StatusFailure {
		t.Errorf("%+v", record)
	}
	noSecrets(t, record, r, d)
}

// noSecrets looks for what must never be logged in a record: the token, the
// proof and every part of them, the nonce, and any of their signatures.
func noSecrets(t *testing.T, record signin.Record, r *Request, d *Decision) {
	t.Helper()
	text := string(must(json.Marshal(record)))
	secrets := []string{d.Nonce, d.Credential.Token}
	for _, field := range append(r.HTTP.Header["Authorization"], r.HTTP.Header["Dpop"]...) {
		secrets = append(secrets, field)
		secrets = append(secrets, strings.FieldsFunc(field, func(c rune) bool { return c == '.' || c == ' ' })...)
	}
	for _, secret := range secrets {
		if len(secret) > 6 && strings.Contains(text, secret) {
			t.Errorf("the record contains %q", secret)
		}
	}
}

// Contract, "Report-only": evaluates everything, changes nothing.
func TestTheSameSituationsWhereNothingIsEnforced(t *testing.T) {
	for _, state := range []policy.State{policy.ReportOnly, policy.Off} {
		for _, s := range situations(t) {
			t.Run(string(state)+" "+s.name, func(t *testing.T) {
				want := s.want
				if s.excused || s.policy != nil && state == policy.Off {
					want = reason.None
				}
				g := s.rig(t, state)
				if s.framing {
					d := g.Enforce(s.send())
					if !d.Allow || d.Reason == s.want {
						t.Errorf("allow %v, reason %q", d.Allow, d.Reason)
					}
					return
				}
				r := s.send()
				d := g.allows(r, want)
				if d.Enforcing || d.Nonce != "" || d.RetryAfter != 0 || d.BreakGlass {
					t.Errorf("something is enforced: %+v", d)
				}
				record := g.last()
				code := s.code
				if want == reason.None {
					code = 0
				}
				if record.Decision != signin.Allow || record.ResultType != "0" || record.Status.ErrorCode != 0 ||
					record.ConditionalAccessStatus != signin.StatusNotApplied ||
					record.TokenProtectionStatusDetails.SignInSessionStatusCode != code {
					t.Errorf("%+v", record)
				}
				noSecrets(t, record, r, d)
			})
		}
	}
}

// A key set that is down is no fault of the token: 503, with a time to wait.
func TestKeySetUnavailableSaysWhenToRetry(t *testing.T) {
	g := newRig(t, enforced(), func(s *setup) { s.keys = unreachable(t) })
	if d := g.blocks(proven(), reason.KeySetUnavailable); d.RetryAfter != token.FetchPause {
		t.Errorf("retry after %v, want %v", d.RetryAfter, token.FetchPause)
	}
}

// A key whose quota is used up waits until all its proofs are forgotten.
func TestReplayQuotaSaysWhenToRetry(t *testing.T) {
	g := newRig(t, enforced(), func(s *setup) { s.maxPerKey = 2 })
	for _, id := range []string{"1", "2"} {
		g.allows(proven(members{"jti": id}), reason.None)
	}
	if d := g.blocks(proven(members{"jti": "3"}), reason.ReplayQuota); d.RetryAfter != g.DPoP.Replay.Retention() {
		t.Errorf("retry after %v, want %v", d.RetryAfter, g.DPoP.Replay.Retention())
	}
	if outcome := g.DPoP.Memory().Spend(proof.Binding{Key: thief.key.Thumbprint, ID: "1"}, noon); outcome != cache.Added {
		t.Errorf("another key: %v", outcome)
	}
}
