// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// proofName is what the model knows proofs by.
type proofName struct{ key, id int }

// A model forgets nothing: it holds when every proof was last accepted.
type model struct {
	*Replay
	accepted map[proofName]time.Time
	// steady says that the clock has never been set back, so that proofs must be forgotten in time, too.
	steady bool
}

// live reports whether a proof that was accepted could still be replayed at the time now, and, if it was forgotten, the
// watermark does not say so.
func (m *model) live(accepted, now time.Time) bool {
	return now.Before(accepted.Add(lifetime)) && accepted.After(m.Watermark())
}

// count counts the key's proofs for which is holds.
func (m *model) count(key int, is func(accepted time.Time) bool) (n int) {
	for proof, accepted := range m.accepted {
		if proof.key == key && is(accepted) {
			n++
		}
	}
	return n
}

// add lets the set decide about a proof and judges the decision.
func (m *model) add(proof proofName, now time.Time) error {
	key, id := keyOf(proof.key), strconv.Itoa(proof.id)
	seen := m.Seen(key, id, now)
	before := m.Watermark()
	outcome := m.Add(key, id, now)
	accepted, known := m.accepted[proof]
	remembered := func(accepted time.Time) bool { return now.Sub(accepted) < lifetime+span }

	switch {
	case seen != (outcome == Replayed):
		return fmt.Errorf("seen is %t, and then it is %v", seen, outcome)
	case m.Watermark().Before(before):
		return fmt.Errorf("watermark went back from %s to %s", before, m.Watermark())
	case outcome != Replayed && known && m.live(accepted, now):
		return fmt.Errorf("%v, but it was accepted at +%s, the watermark is +%s", outcome, accepted.Sub(start), m.Watermark().Sub(start))
	case outcome == Replayed && !known:
		return fmt.Errorf("%v, but it was never accepted", outcome)
	case outcome == Replayed && m.steady && !remembered(accepted):
		return fmt.Errorf("%v, but it was accepted as long ago as +%s", outcome, accepted.Sub(start))
	case outcome == OverQuota && m.steady && m.count(proof.key, remembered) < m.maxPerKey:
		return fmt.Errorf("%v, but its key has only %d proofs", outcome, m.count(proof.key, remembered))
	}
	if outcome == Added {
		m.accepted[proof] = now
		if n := m.count(proof.key, func(accepted time.Time) bool { return m.live(accepted, now) }); n > m.maxPerKey {
			return fmt.Errorf("%v, but its key now has %d live proofs", outcome, n)
		}
	}
	return nil
}

// The law of the set: a proof that could still be replayed is refused, or the watermark tells that it was forgotten.
func TestReplayNeverForgetsSilently(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 9449))
		config := ReplayConfig{
			MaxEntries: 1 + random.IntN(60),
			MaxPerKey:  1 + random.IntN(12),
			Lifetime:   lifetime,
			Start:      start,
		}
		r, err := NewReplay(config)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{Replay: r, accepted: map[proofName]time.Time{}, steady: true}
		keys, ids, setBack := 1+random.IntN(20), 1+random.IntN(40), seed%2 == 1
		now := start
		for step := range 600 {
			switch n := random.IntN(100); {
			case n < 60:
				now = now.Add(time.Duration(random.Int64N(int64(lifetime / 50))))
			case n < 63:
				now = now.Add(time.Duration(random.Int64N(int64(2 * lifetime))))
			case n < 66 && setBack:
				now = now.Add(-time.Duration(random.Int64N(int64(3 * lifetime))))
				m.steady = false
			}
			proof := proofName{random.IntN(keys), random.IntN(ids)}
			if err := m.add(proof, now); err != nil {
				t.Fatalf("seed %d, %d entries, %d a key: step %d at +%s, proof %v: %v",
					seed, config.MaxEntries, config.MaxPerKey, step, now.Sub(start), proof, err)
			}
			checkInside(t, r)
		}
	}
}
