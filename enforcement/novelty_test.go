// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"strconv"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

func newNovelty(t *testing.T) *Novelty {
	t.Helper()
	n, err := NewNovelty()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFailureIsNewsOnceForEachUser(t *testing.T) {
	n := newNovelty(t)
	for i, step := range []struct {
		user string
		news bool
	}{{"alice", true}, {"alice", false}, {"bob", true}, {"alice", false}, {"", false}} {
		if got := n.FirstFailure(step.user); got != step.news {
			t.Errorf("step %d: %v of %q, expected %v", i+1, got, step.user, step.news)
		}
	}
}

func TestKeyIsSharedWhenItsUserChanges(t *testing.T) {
	n := newNovelty(t)
	laptop, phone := jose.Thumbprint{1}, jose.Thumbprint{2}
	for i, step := range []struct {
		key    jose.Thumbprint
		user   string
		shared bool
	}{
		{laptop, "alice", false}, {laptop, "alice", false}, {phone, "bob", false},
		{laptop, "bob", true}, {laptop, "bob", false}, {laptop, "", false}, {laptop, "alice", true},
	} {
		if got := n.SharedKey(step.key, step.user); got != step.shared {
			t.Errorf("step %d: %v, expected %v", i+1, got, step.shared)
		}
	}
}

func TestNoveltyIsBounded(t *testing.T) {
	n := newNovelty(t)
	for i := range 2 * noveltySize {
		n.FirstFailure(strconv.Itoa(i))
		n.SharedKey(jose.Thumbprint{byte(i), byte(i >> 8)}, "alice")
	}
	if n.failing.Len() != noveltySize || n.owners.Len() != noveltySize {
		t.Errorf("%d users and %d keys, expected %d", n.failing.Len(), n.owners.Len(), noveltySize)
	}
}
