// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Lifetime is how long a proof with these times must be remembered once it
// was accepted: from its earliest acceptance to its latest, by the clock of
// any node that is off by no more than the skew.
func Lifetime(maxAge, clockSkew time.Duration) time.Duration {
	return maxAge + 2*clockSkew + time.Second // times in proofs are whole seconds
}

// Spent is a set of spent proofs: [cache.Replay], which stands alone, or one
// that nodes share. What cannot be known any more, a nonce has to make up for.
type Spent interface {
	// Look reports whether the proof of this name is known to be spent. It is
	// cheap, and may not know of other nodes.
	Look(name cache.Identity, now time.Time) bool
	// Spend records the proof. Of several copies exactly one is Added.
	Spend(proof cache.Proof, now time.Time) cache.Outcome
	// Owes reports whether a proof which was accepted at the time since at the
	// latest, and claims a nonce of this scope, has to show a good one.
	Owes(since time.Time, claimed uint64) bool
	// Trusts reports whether a genuine nonce of this time and scope will do.
	Trusts(issued time.Time, scope uint64) bool
	// Scope is what new nonces are issued for.
	Scope() uint64
	// Retention is how long a spent proof counts against its key's quota.
	Retention() time.Duration
	// Stats is for the metrics.
	Stats() cache.ReplayStats
}

// Memory is what a scheme knows of the proofs that were spent, and how it
// copes with what it may have forgotten: such a proof owes a server nonce.
type Memory struct {
	// Replay is the set of spent proofs.
	Replay Spent
	// Nonces issues and recognises server nonces.
	Nonces *nonce.Source
	// ClockSkew is how far a proof's own time may lie in the future.
	ClockSkew time.Duration
	// RequireNonce asks every proof for a server nonce.
	RequireNonce bool
}

// Fresh asks for a server nonce where one is required, and from proofs that
// may have been spent before the replay set's memory begins, as far as their
// own time can be believed. A nonce issued after that proves that the proof is
// younger (RFC 9449, section 4.3, check 10, and section 11.3). It notes in the
// binding which nonce it found good, where one was owed.
func (m Memory) Fresh(b *Binding, presented []byte, now time.Time) reason.Reason {
	if !m.RequireNonce && !m.owes(b, nonce.Claimed(presented)) {
		return reason.None
	}
	if len(presented) == 0 {
		return reason.NonceMissing
	}
	stamp, err := m.Nonces.Check(string(presented), now)
	if err != nil || !m.Replay.Trusts(stamp.Issued, stamp.Scope) {
		return reason.NonceStale
	}
	b.NonceIssued, b.NonceScope = stamp.Issued, stamp.Scope
	return reason.None
}

// owes takes into account that the proof can have been accepted up to the
// skew ahead of its own time.
func (m Memory) owes(b *Binding, claimed uint64) bool {
	return m.Replay.Owes(b.IssuedAt.Add(-m.ClockSkew), claimed)
}

// Seen reports whether the proof is known to be spent: the same verdict as
// when it is to be spent, for less.
func (m Memory) Seen(b *Binding, now time.Time) bool {
	b.name = cache.Identify((*[32]byte)(&b.Key), b.ID)
	return m.Replay.Look(b.name, now)
}

// Spend records a proof that passed. Of several copies exactly one is Added.
func (m Memory) Spend(b Binding, now time.Time) cache.Outcome {
	if b.name == (cache.Identity{}) {
		b.name = cache.Identify((*[32]byte)(&b.Key), b.ID)
	}
	outcome := m.Replay.Spend(cache.Proof{Key: b.Key, ID: b.ID, Name: b.name, Scope: b.NonceScope, Issued: b.NonceIssued}, now)
	if outcome == cache.Doubtful && b.NonceOwed {
		return cache.Added
	}
	return outcome
}

// StillFresh repeats the look at what may be forgotten, for a proof that
// passed. It is for the moment after the proof was recorded: if the set
// overflowed in between, it may just have forgotten an earlier copy.
func (m Memory) StillFresh(b Binding) bool {
	return b.NonceOwed || !m.owes(&b, b.NonceScope) || m.Replay.Trusts(b.NonceIssued, b.NonceScope)
}

// Nonce returns a fresh server nonce for a challenge.
func (m Memory) Nonce(now time.Time) string { return m.Nonces.IssueFor(m.Replay.Scope(), now) }
