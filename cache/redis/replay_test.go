// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"crypto/sha256"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAProofIsSpentOnceAtAllNodes(t *testing.T) {
	redis := serve(t)
	a, b := join(t, []*server{redis}), join(t, []*server{redis})
	a.want(t, "first", cache.Added)
	a.want(t, "first", cache.Replayed)
	b.want(t, "first", cache.Replayed)
	b.want(t, "second", cache.Added)
	a.want(t, "second", cache.Replayed)
	if got := b.Add(bob, "first", time.Now()); got != cache.Added {
		t.Errorf("the same id of another key: %v", got)
	}
	if a.Scope() != b.Scope() || a.Scope()&ownScope != 0 {
		t.Errorf("scopes %x and %x", a.Scope(), b.Scope())
	}
	if replayed := a.Stats().Replayed; replayed != 2 {
		t.Errorf("node A counts %d replays, want 2", replayed)
	}
}

// TIME-018: of copies that race at two nodes exactly one passes.
func TestOfRacingCopiesExactlyOneIsAdded(t *testing.T) {
	const rounds, copies = 300, 4
	redis := serve(t)
	nodes := []*node{join(t, []*server{redis}), join(t, []*server{redis})}
	for round := range rounds {
		var added atomic.Int32
		var group sync.WaitGroup
		barrier := make(chan struct{})
		for i := range copies {
			group.Go(func() {
				<-barrier
				switch got := nodes[i%2].Add([32]byte{byte(round)}, number(round), time.Now()); got {
				case cache.Added:
					added.Add(1)
				case cache.Replayed:
				default:
					t.Errorf("round %d: %v", round, got)
				}
			})
		}
		close(barrier)
		group.Wait()
		if added.Load() != 1 {
			t.Fatalf("round %d: %d of %d copies were added", round, added.Load(), copies)
		}
	}
}

// Contract, "Limits": so many per key and window, counted over all nodes.
func TestQuotaCountsTheProofsOfAllNodes(t *testing.T) {
	redis := serve(t)
	a, b := join(t, []*server{redis}), join(t, []*server{redis})
	r, s := set(t, a.store, 3, lifetime), set(t, b.store, 3, lifetime)
	for i, want := range []cache.Outcome{cache.Added, cache.Added, cache.Added, cache.OverQuota, cache.OverQuota} {
		if got := []*Replay{r, s}[i%2].Add(alice, number(i), time.Now()); got != want {
			t.Errorf("proof %d: %v, want %v", i, got, want)
		}
	}
	if got := s.Add(alice, number(0), time.Now()); got != cache.Replayed {
		t.Errorf("a replay over quota: %v", got)
	}
	if got := s.Add(bob, "another key", time.Now()); got != cache.Added {
		t.Errorf("another key: %v", got)
	}
	if got := r.Stats().OverQuota + s.Stats().OverQuota; got != 2 {
		t.Errorf("%d are counted over quota, want 2", got)
	}
}

// The quota looks at a lifetime, but a proof stays as long as the node whose clock is furthest behind may accept it.
func TestProofsOutliveTheQuotaAndTheGeneration(t *testing.T) {
	redis := serve(t)
	n := join(t, []*server{redis})
	short := set(t, n.store, 2, 200*time.Millisecond)
	for _, id := range []string{"1", "2"} {
		if got := short.Add(alice, id, time.Now()); got != cache.Added {
			t.Fatalf("proof %s: %v", id, got)
		}
	}
	eventually(t, "room in the quota", func() bool { return short.Add(alice, "3", time.Now()) == cache.Added })
	if got := n.Add(alice, "1", time.Now()); got != cache.Replayed {
		t.Errorf("the first proof again: %v", got)
	}
	for key := range strings.FieldsSeq(redis.tell("--raw", "keys", "*generation")) {
		if ttl := redis.tell("pttl", key); len(ttl) != 5 || ttl > "30000" {
			t.Errorf("%s lives %s ms, want at most 30000", key, ttl)
		}
	}
}

// What a reader of the store sees tells him nothing about proofs or keys.
func TestNamesInTheStoreAreHashes(t *testing.T) {
	redis := serve(t)
	n := join(t, []*server{redis})
	thumbprint := sha256.Sum256([]byte("device key"))
	if got := n.Add(thumbprint, "the-very-secret-jti", time.Now()); got != cache.Added {
		t.Fatal(got)
	}
	everything := redis.tell("--raw", "keys", "*")
	for key := range strings.SplitSeq(everything, "\n") {
		if !strings.HasSuffix(key, "generation") && redis.tell("exists", key) == "1" {
			everything += redis.tell("--raw", "zrange", key, "0", "-1")
		}
	}
	if strings.Contains(everything, "jti") || strings.Contains(everything, string(thumbprint[:8])) {
		t.Errorf("the store holds %q", everything)
	}
}

func TestWhatNodesShareIsAskedForWhereThatIsNeeded(t *testing.T) {
	redis := serve(t)
	a, b := join(t, []*server{redis}), join(t, []*server{redis})
	a.want(t, "ended", cache.Added)
	now := time.Now()
	if b.Look(cache.Identify(&alice, "ended"), now) {
		t.Error("the cheap look knows what another node has recorded")
	}
	if !b.Seen(alice, "ended", now) || b.Seen(alice, "not ended", now) || b.Seen(bob, "ended", now) {
		t.Error("the other node does not see exactly what was recorded")
	}
}

// Nodes may be configured differently for a while: proofs live as long as the most patient of them needs, and what was
// recorded for less counts as lost.
func TestALongerLifetimeBeginsAnotherGeneration(t *testing.T) {
	redis := serve(t)
	a := join(t, []*server{redis})
	a.want(t, "before", cache.Added)
	scope := a.Scope()
	b := join(t, []*server{redis})
	longer := set(t, b.store, 1000, 2*lifetime)
	if got := longer.Add(alice, "patient", time.Now()); got != cache.Added {
		t.Fatal(got)
	}
	if longer.Scope() == scope {
		t.Error("the generation is the old one")
	}
	eventually(t, "the other node to follow", func() bool { return a.Scope() == longer.Scope() })
	a.want(t, "patient", cache.Replayed)
	if life := a.generations[0].Load().life; life != 2*lifetime+distance+generationLife {
		t.Errorf("its proofs live %v", life)
	}
}

// TIME-019: a node whose clock is half a minute ahead accepts a proof early, one whose clock is as much behind accepts it
// late. All the while it is remembered, and a race has one winner.
func TestClocksOfNodesMayBeAMinuteApart(t *testing.T) {
	const maxAge, skew, off = 60 * time.Second, 15 * time.Second, 30 * time.Second
	redis := serve(t)
	a, b := join(t, []*server{redis}), join(t, []*server{redis})
	ahead, behind := time.Now().Add(off), time.Now().Add(-off)
	for round := range 100 {
		first := a.Add(alice, number(round), ahead)
		second := b.Add(alice, number(round), behind)
		if first != cache.Added || second != cache.Replayed {
			t.Fatalf("round %d: %v and %v", round, first, second)
		}
	}
	// From the earliest acceptance, by the clock ahead, to the latest, by the one behind.
	window := (off + skew) + (off + maxAge)
	key := a.keyName(0, &alice)
	answer, err := a.store.client.Load().Do(t.Context(), a.store.client.Load().B().Pttl().Key(key).Build()).AsInt64()
	if left := time.Duration(answer) * time.Millisecond; err != nil || left < window-5*time.Second || left < window+generationLife-5*time.Second {
		t.Errorf("proofs live %v more, want %v and a generation; %v", left, window, err)
	}
	// After a loss the node ahead may have accepted what is dated up to the skew after its own now.
	redis.tell("flushall")
	for _, n := range []*node{a, b} {
		n.with(0, "notices")
		if latest := time.Now().Add(off); !n.Owes(latest, 0) {
			t.Error("a proof of the node ahead owes no nonce after the loss")
		}
	}
}
