// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// A signed request is good for once; its memory is not that of DPoP.
func TestSignedRequestsAreSpentInTheirOwnSet(t *testing.T) {
	g := newRig(t, enforced(), everyScheme)
	accessToken := mint(members{"cnf": members{"kid": laptopID}})
	ask := func(changes ...members) *Request { return get("PoP " + laptop.signRequest(accessToken, changes...)) }
	g.allows(ask(), reason.None)
	g.blocks(ask(), reason.ProofReplayed)
	g.blocks(ask(members{"ts": noon.Unix() - 1}), reason.ProofReplayed) // another text with the same identity
	if d, p := g.DPoP.Replay.Stats().Entries, g.PoP.Replay.Stats().Entries; d != 0 || p != 1 {
		t.Errorf("spent: %d proofs of DPoP, %d signed requests", d, p)
	}
	g.allows(proven(members{"jti": "request-1"}), reason.None) // the same key and identity, as DPoP
	g.allows(ask(members{"nonce": "request-2"}), reason.None)
	if d, p := g.DPoP.Replay.Stats().Entries, g.PoP.Replay.Stats().Entries; d != 1 || p != 2 {
		t.Errorf("spent: %d proofs of DPoP, %d signed requests", d, p)
	}

	g = newRig(t, enforced(), everyScheme, func(s *setup) { s.maxPerKey = 1 })
	g.allows(ask(), reason.None)
	if d := g.blocks(ask(members{"nonce": "request-2"}), reason.ReplayQuota); d.RetryAfter <= 0 {
		t.Errorf("retry after %v", d.RetryAfter)
	}
}

// A connection cannot be copied, so nothing is spent: the same request may
// come again.
func TestCertificatesAreNotSpent(t *testing.T) {
	for name, accessToken := range map[string]string{
		"x5t#S256": mint(members{"cnf": members{"x5t#S256": badgeHash}}), "device claim": mint(unbound),
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), bindingDevices, restarted, func(s *setup) { s.maxPerKey, s.requireNonce = 1, true })
			for range 3 {
				g.allows(get("Bearer "+accessToken).over(badge), reason.None)
			}
			if spent := g.DPoP.Replay.Stats().Entries + g.PoP.Replay.Stats().Entries; spent != 0 {
				t.Errorf("%d proofs are spent", spent)
			}
		})
	}
}

// The nonce in an answer is of the source that the next proof is held against.
func TestTheAdvisedNonceIsOfTheSchemeThatNeedsIt(t *testing.T) {
	for name, edit := range map[string]func(*setup){"restarted": restarted, "required": func(s *setup) { s.requireNonce = true }} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), everyScheme, edit)
			accessToken := mint(members{"cnf": members{"kid": laptopID}})
			ask := func(nonce string) *Request {
				return get("PoP " + laptop.signRequest(accessToken, members{"jti": "request-1", "nonce": nonce}))
			}
			asked := g.blocks(ask(""), reason.NonceMissing)
			ofDPoP := g.blocks(proven(), reason.NonceMissing)
			g.blocks(ask(ofDPoP.Nonce), reason.NonceStale)
			g.blocks(proven(members{"nonce": asked.Nonce}), reason.NonceStale)
			g.allows(ask(asked.Nonce), reason.None)
			g.allows(proven(members{"nonce": ofDPoP.Nonce}), reason.None)
		})
	}
}

// Contract, "Report-only": what one retry would have cured is not a failure,
// for signed requests too; everything else about them is.
func TestASignedRequestWithoutItsNonceIsExcusedWhereNothingIsEnforced(t *testing.T) {
	forged := *thief
	forged.jwk = laptop.jwk
	accessToken := mint(members{"cnf": members{"kid": laptopID}})
	for name, policies := range map[string][]policy.Policy{
		"report-only":             reported(),
		"on for others: excluded": append(enforced(excludeAnn), reported()...),
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, policies, everyScheme, restarted)
			sum := sha256.Sum256([]byte("<mail/>"))
			ask := func(s *signer) *Request {
				r := request("POST", sampleURL, strings.NewReader("<mail/>"))
				r.HTTP.Header.Set("Authorization", "PoP "+s.signRequest(accessToken, members{"m": "POST", "b": encode(sum[:])}))
				return r
			}
			r := ask(laptop)
			d := g.allows(r, reason.None)
			if !d.Bound || !d.Binding.NonceOwed || d.BreakGlass || outcomes(d)["reported"] != policy.ReportOnlySuccess {
				t.Errorf("bound %v, nonce owed %v, %v", d.Bound, d.Binding.NonceOwed, outcomes(d))
			}
			if body := must(io.ReadAll(r.HTTP.Body)); !bytes.Equal(body, []byte("<mail/>")) {
				t.Errorf("the backend gets %q", body)
			}
			if got := g.last().Status.AdditionalDetails; !strings.HasPrefix(got, "nonce_missing: excused") {
				t.Errorf("details %q", got)
			}
			g.allows(ask(laptop), reason.ProofReplayed)
			if d := g.allows(ask(&forged), reason.ProofReplayed); d.Bound { // the look at the set comes before the signature
				t.Error("a forged request is bound")
			}
		})
	}
}
