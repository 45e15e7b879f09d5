// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

// Design, "Invariants": nothing is forgotten silently. However the store loses what it knew, no proof of before passes
// without a nonce of after, at any node; and one with such a nonce passes.
func TestALostStoreIsNoticedByEveryNode(t *testing.T) {
	for name, lose := range map[string]func(*server){
		"flushed":               func(s *server) { s.tell("flushall") },
		"restarted empty":       func(s *server) { s.kill(); s.start() },
		"restarted and kept it": func(s *server) { s.tell("save"); s.kill(); s.start() },
		"generation deleted":    func(s *server) { s.tell("del", "test:{0}:dpop:generation") },
		"generation is garbage": func(s *server) { s.tell("set", "test:{0}:dpop:generation", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			redis := serve(t)
			a, b := join(t, []*server{redis}), join(t, []*server{redis})
			a.want(t, "spent", cache.Added)
			before := a.Scope()
			if b.Scope() != before {
				t.Fatal("the nodes disagree from the beginning")
			}
			old := time.Now().Add(-10 * distance)
			for _, n := range []*node{a, b} {
				n.begun.Store(old.UnixNano()) // as if the generation were old
				if n.Owes(time.Now(), 0) || !n.Trusts(time.Now(), before) {
					t.Fatal("a nonce is owed before anything is lost")
				}
			}

			lose(redis)
			for _, n := range []*node{b, a} {
				eventually(t, "the store to answer", func() bool {
					switch got := n.with(before, "spent"); got {
					case cache.Added:
						return n.Owes(time.Now(), 0) && !n.Trusts(time.Now(), before) // then it is refused all the same
					default:
						return n.Scope() != before && n.store.Status().Up
					}
				})
				if !n.Owes(time.Now(), before) || !n.Owes(time.Now().Add(distance/2), 0) || n.Trusts(time.Now(), before) {
					t.Error("the node forgives")
				}
			}
			if a.Scope() != b.Scope() || a.Scope() == before || a.Scope()&ownScope != 0 {
				t.Errorf("scopes %x and %x after %x", a.Scope(), b.Scope(), before)
			}
			if got := a.with(b.Scope(), "fresh"); got != cache.Added || !a.Trusts(time.Now(), b.Scope()) {
				t.Errorf("a proof with a nonce of the other node: %v", got)
			}
		})
	}
}

// A request that comes right after the loss, before anybody has looked, is not answered from the new and empty memory.
func TestTheFirstProofAfterALossIsDoubtful(t *testing.T) {
	redis := serve(t)
	n := join(t, []*server{redis})
	n.want(t, "spent", cache.Added)
	before := n.Scope()
	redis.tell("flushall")
	if got := n.with(before, "another"); got != cache.Doubtful && n.Scope() == before {
		t.Errorf("a proof of before: %v, and the generation is the old one", got)
	}
	if n.Scope() == before || !n.Owes(time.Now(), 0) {
		t.Error("the loss went unnoticed")
	}
	n.want(t, "another", cache.Added) // it was not spent when it was refused
}

// Scripts that are lost are only that.
func TestLostScriptsAreLoadedAgain(t *testing.T) {
	redis := serve(t)
	n := join(t, []*server{redis})
	n.want(t, "spent", cache.Added)
	before := n.Scope()
	redis.tell("script", "flush")
	n.want(t, "spent", cache.Replayed)
	redis.tell("script", "flush")
	n.want(t, "fresh", cache.Added)
	if n.Scope() != before {
		t.Error("a new generation began")
	}
}

// A replica that takes over may lack the last writes, and has the generation all the same.
func TestAFailoverBeginsAnotherGeneration(t *testing.T) {
	primary, replica := serve(t), serve(t)
	_, port, _ := strings.Cut(primary.address, ":")
	replica.tell("replicaof", "127.0.0.1", port)
	eventually(t, "the replica to be in sync", func() bool {
		return strings.Contains(replica.tell("info", "replication"), "master_link_status:up")
	})
	a := join(t, []*server{primary})
	a.want(t, "spent", cache.Added)
	before := a.Scope()
	primary.kill()
	replica.tell("replicaof", "no", "one")
	b := join(t, []*server{replica})
	if b.Scope() == before || !b.Owes(time.Now(), 0) {
		t.Error("the new primary passes for the old one")
	}
}

// Servers that forget without anybody noticing are not used at all.
func TestUnfitServersAreNotUsed(t *testing.T) {
	for name, c := range map[string]struct {
		arguments []string
		prepare   func(*server)
		want      string
	}{
		"evicts":  {[]string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, nil, "expected noeviction"},
		"replica": {nil, func(s *server) { s.tell("replicaof", "127.0.0.1", "1") }, "expected a primary"},
	} {
		t.Run(name, func(t *testing.T) {
			redis := serve(t, c.arguments...)
			if c.prepare != nil {
				c.prepare(redis)
			}
			reports := make(chan error, 10)
			n := offline(t, []*server{redis}, func(config *Config) { config.Report = func(err error) { reports <- err } })
			if err := <-reports; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("reported %v, want %q", err, c.want)
			}
			n.want(t, "any", cache.Unavailable)
		})
	}
	for version, fits := range map[string]bool{"6.2.14": false, "7.0.0": true, "8.1.2": true, "": false, "x": false} {
		if err := (statement{version: version, role: "master"}).fit(); (err == nil) != fits {
			t.Errorf("version %q: %v", version, err)
		}
	}
}

// Full memory is not a reason to forget.
func TestAFullStoreRefuses(t *testing.T) {
	redis := serve(t)
	n := join(t, []*server{redis})
	n.want(t, "spent", cache.Added)
	redis.tell("config", "set", "maxmemory", "1")
	n.want(t, "any", cache.Unavailable)
	redis.tell("config", "set", "maxmemory", "0")
	eventually(t, "the store to answer", func() bool { return n.store.Status().Up })
	n.want(t, "spent", cache.Replayed)
}
