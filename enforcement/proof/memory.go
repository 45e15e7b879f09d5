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

// Memory is what a scheme knows of the proofs that were spent, and how it
// copes with what it may have forgotten: such a proof owes a server nonce.
type Memory struct {
	// Replay is the set of spent proofs.
	Replay *cache.Replay
	// Nonces issues and recognises server nonces.
	Nonces *nonce.Source
	// ClockSkew is how far a proof's own time may lie in the future.
	ClockSkew time.Duration
	// RequireNonce asks every proof for a server nonce.
	RequireNonce bool
}

// Fresh asks for a server nonce where one is required, and from proofs that
// may have been spent before the replay set's memory begins: those made no
// later than the watermark, as far as their own time, in Unix seconds, can be
// believed. A nonce issued after the watermark proves that the proof is
// younger (RFC 9449, section 4.3, check 10, and section 11.3). It returns when
// the nonce was issued, the zero time where none is owed.
func (m Memory) Fresh(made int64, presented []byte, now time.Time) (issued time.Time, why reason.Reason) {
	watermark := m.Replay.Watermark()
	if !m.RequireNonce && m.madeAfter(time.Unix(made, 0), watermark) {
		return time.Time{}, reason.None
	}
	if len(presented) == 0 {
		return time.Time{}, reason.NonceMissing
	}
	issued, err := m.Nonces.Check(string(presented), now)
	if err != nil || issued.Before(watermark) {
		return time.Time{}, reason.NonceStale
	}
	return issued, reason.None
}

// madeAfter reports whether a proof of that time cannot have been accepted
// before the watermark, which it could have been up to the skew ahead of time.
func (m Memory) madeAfter(made, watermark time.Time) bool {
	return made.After(watermark.Add(m.ClockSkew))
}

// Spend records a proof that passed. Of several copies exactly one is Added.
func (m Memory) Spend(b Binding, now time.Time) cache.Outcome {
	return m.Replay.Add(b.Key, b.ID, now)
}

// StillFresh repeats the look at the watermark for a proof that passed. It is
// for the moment after the proof was recorded: if the set overflowed in
// between, it may just have forgotten an earlier copy.
func (m Memory) StillFresh(b Binding) bool {
	watermark := m.Replay.Watermark()
	return b.NonceOwed || m.madeAfter(b.IssuedAt, watermark) || !b.NonceIssued.Before(watermark)
}

// Nonce returns a fresh server nonce for a challenge.
func (m Memory) Nonce(now time.Time) string { return m.Nonces.Issue(now) }
