// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"sync"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

func onOutageNonce(config *Config) { config.OnOutage = Nonce }

// Contract, "Answers": a dependency that is down blocks. Nobody waits longer than 300 ms for it, and only the first do.
func TestAnOutageBlocks(t *testing.T) {
	for name, c := range map[string]struct{ begin, end func(*server) }{
		"killed":  {(*server).kill, (*server).start},
		"stopped": {(*server).pause, (*server).resume},
	} {
		t.Run(name, func(t *testing.T) {
			redis := serve(t)
			n := join(t, []*server{redis}, inService)
			n.want(t, "spent", cache.Added)
			c.begin(redis)
			within(t, "the first answer", func() { n.want(t, "any", cache.Unavailable) })
			for range 20 {
				start := time.Now()
				n.want(t, "any", cache.Unavailable)
				if took := time.Since(start); took > Deadline {
					t.Errorf("an answer while the outage is known took %v", took)
				}
			}
			if status := n.store.Status(); status.Up || status.Failures == 0 {
				t.Errorf("%+v", status)
			}
			if !n.Look(cache.Identify(&alice, "spent"), time.Now()) {
				t.Error("the node has forgotten what it accepted itself")
			}
			c.end(redis)
			eventually(t, "the store to answer", func() bool { return n.store.Status().Up })
			if got := n.Add(alice, "spent", time.Now()); got == cache.Added {
				t.Error("a replay is accepted after the outage")
			}
			n.want(t, "fresh", cache.Added)
		})
	}
}

// Many requests at once wait for one deadline, not for each other's. The bound is wide, for a busy machine.
func TestManyRequestsAtTheBeginningOfAnOutageAreAllAnswered(t *testing.T) {
	redis := serve(t)
	n := join(t, []*server{redis}, inService)
	redis.pause()
	defer redis.resume()
	var group sync.WaitGroup
	for i := range 3 * maxInFlight {
		group.Go(func() {
			start := time.Now()
			n.want(t, number(i), cache.Unavailable)
			if took := time.Since(start); took > 20*Deadline {
				t.Errorf("an answer took %v", took)
			}
		})
	}
	group.Wait()
}

// Issue of the outage posture `nonce`: a proof passes if it carries a nonce that this very node issued during an outage,
// once, and at no other node ever.
func TestAnOutageCanBeSurvivedWithNoncesOfTheNode(t *testing.T) {
	redis := serve(t)
	a, b := join(t, []*server{redis}, onOutageNonce, inService), join(t, []*server{redis}, onOutageNonce, inService)
	a.want(t, "spent", cache.Added)
	shared := a.Scope()
	redis.pause()
	for _, n := range []*node{a, b} {
		if got := n.with(shared, "any"); got != cache.Doubtful {
			t.Errorf("with a nonce that all nodes trust: %v", got)
		}
		if !n.Owes(time.Now(), shared) || n.Trusts(time.Now(), shared) || n.Scope() != n.store.node {
			t.Error("no nonce of this node is asked for")
		}
	}
	own := a.Scope()
	if !a.Trusts(time.Now(), own) || b.Trusts(time.Now(), own) {
		t.Error("the node does not trust itself, or another one does")
	}
	if got := a.with(own, "once"); got != cache.Added {
		t.Errorf("with a nonce of this node: %v", got)
	}
	if got := a.with(own, "once"); got != cache.Replayed {
		t.Errorf("again: %v", got)
	}
	if got := a.with(own, "spent"); got != cache.Replayed {
		t.Errorf("one that was spent before the outage: %v", got)
	}
	redis.resume()
	for _, n := range []*node{a, b} {
		eventually(t, "the store to answer", func() bool { return n.store.Status().Up })
	}
	if got := a.with(own, "once"); got == cache.Added {
		t.Error("a replay is accepted after the outage")
	}
	// The store knows nothing of it, so the other node must go by the nonce.
	if !b.Owes(time.Now().Add(time.Hour), own) || b.Trusts(time.Now(), own) {
		t.Error("another node accepts what this one accepted during the outage")
	}
	if got := a.with(own, "later"); got != cache.Added || !a.Trusts(time.Now(), own) {
		t.Errorf("the nonce is of no use after the outage: %v", got)
	}
}

// A node whose own set has overflowed does not know what it accepted during the outage.
func TestNoncesOfTheNodeAreNoBetterThanItsOwnMemory(t *testing.T) {
	redis := serve(t)
	n := join(t, []*server{redis}, onOutageNonce, inService)
	redis.kill()
	n.with(0, "any")
	issued := time.Now()
	n.local.Raise(issued.Add(time.Second))
	if n.Trusts(issued, n.Scope()) {
		t.Error("a nonce from before the overflow is trusted")
	}
}

// A store that is not there when the node starts is an outage like any other.
func TestANodeStartsWithoutItsStore(t *testing.T) {
	redis := serve(t)
	redis.kill()
	n := offline(t, []*server{redis}, inService)
	within(t, "the first answer", func() { n.want(t, "any", cache.Unavailable) })
	redis.start()
	eventually(t, "the store to answer", func() bool { return n.store.Status().Up })
	n.want(t, "any", cache.Added)
}

// Requests that come before the first look wait for it: a restart costs nothing.
func TestTheFirstRequestWaitsForTheFirstLook(t *testing.T) {
	redis := serve(t)
	n := offline(t, []*server{redis})
	n.want(t, "at once", cache.Added)
}

// A node that joins later trusts what the others remember, however long it has been running itself.
func TestANodeThatRestartsTrustsTheStore(t *testing.T) {
	redis := serve(t)
	a := join(t, []*server{redis})
	a.want(t, "spent", cache.Added)
	a.store.Close()
	b := join(t, []*server{redis})
	if b.Scope() != a.epoch.Load() {
		t.Error("a new generation began")
	}
	b.want(t, "spent", cache.Replayed)
}

// Waiting for requests that are under way is not what Close is for, but nothing may run afterwards.
func TestAClosedStoreAnswersAtOnce(t *testing.T) {
	redis := serve(t)
	n := join(t, []*server{redis})
	n.store.Close()
	within(t, "an answer", func() { n.want(t, "any", cache.Unavailable) })
}
