// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Lifetime is how long a signed request with these times must be remembered
// once it was accepted: from its earliest acceptance to its latest, by the
// clock of any node that is off by no more than the skew.
func Lifetime(maxAge, clockSkew time.Duration) time.Duration {
	return maxAge + 2*clockSkew + time.Second // times in proofs are whole seconds
}

// Nonce returns a fresh server nonce for a challenge.
func (v *Verifier) Nonce(now time.Time) string { return v.Nonces.Issue(now) }

// fresh asks for a server nonce where one is required, and from signed
// requests that may have been spent before the replay set's memory begins:
// those made no later than the watermark, as far as their own clock can be
// believed. A nonce issued after the watermark proves that the signed request
// is younger. A nonce that the client made up is none, and to the client as
// good as one that is stale. The rule is that of DPoP (RFC 9449, section 11.3).
func (v *Verifier) fresh(c *claims, now time.Time) (issued time.Time, why reason.Reason) {
	watermark := v.Replay.Watermark()
	if !v.RequireNonce && v.madeAfter(time.Unix(c.created, 0), watermark) {
		return time.Time{}, reason.None
	}
	if len(c.nonce) == 0 {
		return time.Time{}, reason.NonceMissing
	}
	issued, err := v.Nonces.Check(string(c.nonce), now)
	if err != nil || issued.Before(watermark) {
		return time.Time{}, reason.NonceStale
	}
	return issued, reason.None
}

// madeAfter reports whether a signed request with this ts cannot have been
// accepted before the watermark, which it could have been up to the skew
// ahead of time.
func (v *Verifier) madeAfter(created, watermark time.Time) bool {
	return created.After(watermark.Add(v.ClockSkew))
}

// Spend records a proof that passed. Of several copies exactly one is Added.
func (v *Verifier) Spend(b proof.Binding, now time.Time) cache.Outcome {
	return v.Replay.Add(b.Key, b.ID, now)
}

// StillFresh repeats the look at the watermark for a signed request that
// passed. It is for the moment after it was recorded: if the set overflowed
// in between, it may just have forgotten an earlier copy.
func (v *Verifier) StillFresh(b proof.Binding) bool {
	watermark := v.Replay.Watermark()
	return b.NonceOwed || v.madeAfter(b.IssuedAt, watermark) || !b.NonceIssued.Before(watermark)
}
