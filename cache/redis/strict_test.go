// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

func strict(config *Config) { config.Strict = true }

// follow makes a server the replica of another, and waits until it is in sync.
func follow(t testing.TB, replica, primary *server) {
	t.Helper()
	_, port, _ := strings.Cut(primary.address, ":")
	replica.tell("replicaof", "127.0.0.1", port)
	eventually(t, "the replica to be in sync", func() bool {
		return strings.Contains(replica.tell("info", "replication"), "master_link_status:up")
	})
}

// With `consistency strict` what only the primary knows is not accepted.
func TestStrictWantsReplicasToConfirm(t *testing.T) {
	primary, replica := serve(t), serve(t)
	alone := join(t, []*server{primary}, strict, inService)
	within(t, "an answer without any replica", func() { alone.want(t, "any", cache.Unavailable) })
	if !alone.store.Status().Up {
		t.Error("a primary without replicas passes for one that does not answer")
	}

	follow(t, replica, primary)
	n := join(t, []*server{primary}, strict, inService)
	eventually(t, "the replica to confirm", func() bool { return n.Add(bob, time.Now().String(), time.Now()) == cache.Added })
	n.want(t, "confirmed", cache.Added)
	n.want(t, "confirmed", cache.Replayed)
	replica.pause()
	within(t, "an answer without the replica", func() { n.want(t, "not confirmed", cache.Unavailable) })
	replica.resume()
	eventually(t, "the replica to confirm", func() bool { return n.Add(alice, time.Now().String(), time.Now()) == cache.Added })
	if got := n.Add(alice, "not confirmed", time.Now()); got != cache.Replayed {
		t.Errorf("what was not confirmed is %v; the primary has it", got)
	}
}

// What no replica confirmed no nonce can make up for: nodes that could go on
// without the store answer 503 too, and not with a nonce that never does.
func TestUnconfirmedIsNoOutageThatNoncesHelpOver(t *testing.T) {
	n := join(t, []*server{serve(t)}, strict, onOutageNonce)
	eventually(t, "the generation", func() bool { return n.Scope() != n.store.node })
	if got := n.with(n.Scope(), "any"); got != cache.Unavailable {
		t.Errorf("outcome %v, expected unavailable", got)
	}
}

func TestMajorityIsMoreThanHalfOfTheServers(t *testing.T) {
	for replicas, want := range map[int64]int64{0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 3} {
		p := new(part)
		p.replicas.Store(replicas)
		if got := p.majority(); got != want || want+1 <= (replicas+1)/2 {
			t.Errorf("%d replicas: %d, want %d", replicas, got, want)
		}
	}
}
