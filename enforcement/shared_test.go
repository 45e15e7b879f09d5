// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Scopes of nonces in these tests.
const here, there = 1<<63 | 7, 1<<63 | 8

// shared is a set that nodes share, as far as the enforcer sees one.
type shared struct {
	Replay
	outcome cache.Outcome // of spending; 0 leaves it to the set
	outage  bool          // in which nonces of this node are accepted
}

func (s *shared) Spend(p cache.Proof, now time.Time) cache.Outcome {
	if s.outcome != 0 {
		return s.outcome
	}
	return s.Replay.Spend(p, now)
}

func (s *shared) Owes(since time.Time, claimed uint64) bool {
	return s.outage || claimed == there || s.Replay.Owes(since, claimed)
}

func (s *shared) Trusts(_ time.Time, scope uint64) bool { return scope == s.Scope() }

func (s *shared) Scope() uint64 {
	if s.outage {
		return here
	}
	return 7
}

// sharing gives a rig such a set.
func sharing(t testing.TB, edit func(*shared)) func(*setup) {
	return func(s *setup) {
		set := &shared{Replay: ok(NewReplay(100, 100, maxAge, clockSkew, noon.Add(-time.Hour)))(t)}
		edit(set)
		s.replay = set
	}
}

// Contract, "Answers": a dependency that is down blocks, and is no fault of the token's.
func TestAReplaySetThatCannotBeAskedBlocks(t *testing.T) {
	unavailable := sharing(t, func(s *shared) { s.outcome = cache.Unavailable })
	d := newRig(t, enforced(), unavailable).blocks(proven(), reason.ReplayUnavailable)
	if d.RetryAfter != retrySoon || d.Nonce != "" || d.Bound {
		t.Errorf("retry after %v, nonce %q, bound %v", d.RetryAfter, d.Nonce, d.Bound)
	}
	if d := newRig(t, reported(), unavailable).allows(proven(), reason.ReplayUnavailable); d.Bound {
		t.Error("bound, where nobody knows")
	}
}

// What the set has lost since the proof was judged, a nonce of its present scope makes up for.
func TestADoubtfulProofNeedsANonce(t *testing.T) {
	doubtful := sharing(t, func(s *shared) { s.outcome = cache.Doubtful })
	d := newRig(t, enforced(), doubtful).blocks(proven(), reason.NonceStale)
	if got := nonce.Claimed([]byte(d.Nonce)); got != 7 {
		t.Errorf("the nonce is of scope %x", got)
	}
	excused := newRig(t, reported(), doubtful, func(s *setup) { s.requireNonce = true })
	if d := excused.allows(proven(), reason.None); !d.Bound || !d.Binding.NonceOwed {
		t.Errorf("bound %v, nonce owed %v, where nothing is enforced", d.Bound, d.Binding.NonceOwed)
	}
}

// A nonce that another node issued for an outage says that the proof may have been accepted there, and nobody else knows.
func TestANonceOfAnotherNodesOutageIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		outage bool
		scope  uint64
		want   reason.Reason
	}{
		"shared":                         {false, 7, reason.None},
		"of another node":                {false, there, reason.NonceStale},
		"of this node":                   {false, here, reason.None}, // not owed, so that it need not be looked at
		"shared, during an outage":       {true, 7, reason.NonceStale},
		"of another node, in an outage":  {true, there, reason.NonceStale},
		"of this node, during an outage": {true, here, reason.None},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), sharing(t, func(s *shared) { s.outage = c.outage }))
			r := proven(members{"nonce": g.DPoP.Nonces.IssueFor(c.scope, noon)})
			if c.want == reason.None {
				g.allows(r, reason.None)
				g.blocks(r, reason.ProofReplayed)
				return
			}
			if d := g.blocks(r, c.want); nonce.Claimed([]byte(d.Nonce)) != g.DPoP.Replay.Scope() {
				t.Error("the nonce in the answer is of no use")
			}
		})
	}
}
