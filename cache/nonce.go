// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import "time"

// AnyScope is the scope of nonces that are judged by their time alone.
const AnyScope = 0

// Owes reports whether a proof that was accepted at the time since at the latest, by its own word, may have been
// forgotten, so that it owes a server nonce. A set that stands alone does not look at the nonce's scope.
func (r *Replay) Owes(since time.Time, _ uint64) bool {
	return !since.After(r.Watermark())
}

// Trusts reports whether a genuine nonce, issued at that time, shows that the proof which carries it has not been
// forgotten.
func (r *Replay) Trusts(issued time.Time, _ uint64) bool { return !issued.Before(r.Watermark()) }

// Scope is what new nonces are marked with.
func (r *Replay) Scope() uint64 { return AnyScope }

// Retention is the longest time for which a proof is remembered, and counts against its key's quota.
func (r *Replay) Retention() time.Duration { return r.lifetime + r.span }
