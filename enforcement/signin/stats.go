// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

// Stats is what [Aggregator.Stats] returns.
type Stats struct {
	// Kinds are told apart at the moment.
	Kinds int
	// Folds are the entries that requests beyond the bounds are counted in.
	Folds int
}

// Stats returns how much the aggregator holds.
func (a *Aggregator) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Stats{Kinds: a.told, Folds: len(a.kinds) - a.told}
}
