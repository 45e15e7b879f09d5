// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package nonce

import (
	"testing"
	"time"
)

// TIME-023: a nonce issued by node A is accepted by node B.
func TestTIME023NodesWithOneSecretAgree(t *testing.T) {
	a, b := newSource(t, "dpop", first), newSource(t, "dpop", first)
	for _, behind := range []time.Duration{0, time.Second, 14 * time.Second} {
		// B's clock may be behind A's.
		if _, err := b.Check(a.Issue(now), now.Add(-behind)); err != nil {
			t.Errorf("B is %s behind: %v", behind, err)
		}
	}
}

// TIME-024: the secret is rotated on A first, on B 60 s later, and traffic bounces between both. At every moment every
// nonce that is alive must be accepted on both nodes: no client is asked for another one.
func TestTIME024RotationAsksNobodyTwice(t *testing.T) {
	learn := func(t *testing.T) *Source { return newSource(t, "dpop", first, second) }  // the next secret is accepted
	turn := func(t *testing.T) *Source { return newSource(t, "dpop", second, first) }   // it issues
	finish := func(t *testing.T) *Source { return newSource(t, "dpop", second, third) } // the previous one goes, another comes

	const lag = 60 * time.Second
	now := now.Truncate(time.Millisecond)
	step := map[time.Duration]func(*testing.T) *Source{0: learn, 5 * time.Minute: turn, 10 * time.Minute: finish}
	node := func(t *testing.T, elapsed time.Duration) *Source {
		s := newSource(t, "dpop", first)
		for _, at := range []time.Duration{0, 5 * time.Minute, 10 * time.Minute} {
			if elapsed >= at {
				s = step[at](t)
			}
		}
		return s
	}

	for issued := time.Duration(-lag); issued < 15*time.Minute; issued += 10 * time.Second {
		issuers := map[string]*Source{"A": node(t, issued), "B": node(t, issued-lag)}
		for age := time.Duration(0); age <= life; age += 20 * time.Second {
			used := issued + age
			checkers := map[string]*Source{"A": node(t, used), "B": node(t, used-lag)}
			for from, issuer := range issuers {
				for to, checker := range checkers {
					if _, err := checker.Check(issuer.Issue(now.Add(issued)), now.Add(used)); err != nil {
						t.Fatalf("issued by %s at %s, used at %s at %s: %v", from, issued, to, used, err)
					}
				}
			}
		}
	}
}

// The previous secret's nonces are accepted for as long as it is listed, and no longer.
func TestDroppedSecretIsUnknown(t *testing.T) {
	old := newSource(t, "dpop", first).Issue(now)
	wantUnknown(t, newSource(t, "dpop", second), old)
	if _, err := newSource(t, "dpop", second, first).Check(old, now); err != nil {
		t.Errorf("the previous secret's nonce: %v", err)
	}
}
