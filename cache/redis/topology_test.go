// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

// A cluster's slots are on several servers; losing one of them loses a generation.
func TestACluster(t *testing.T) {
	var servers []*server
	for range 3 {
		servers = append(servers, serve(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000"))
	}
	arguments := []string{"--cluster", "create"}
	for _, s := range servers {
		arguments = append(arguments, s.address)
	}
	if output, err := exec.Command("redis-cli", append(arguments, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, output)
	}
	for _, s := range servers {
		eventually(t, "the cluster to be complete", func() bool { return strings.Contains(s.tell("cluster", "info"), "cluster_state:ok") })
	}
	cluster := func(c *Config) { c.Cluster, c.Addresses = true, c.Addresses[:1] }
	a, b := join(t, servers, cluster), join(t, servers, cluster)
	for i := range 200 {
		key := [32]byte{0, 0, 0, byte(i)}
		if got := a.Add(key, number(i), time.Now()); got != cache.Added {
			t.Fatalf("proof %d: %v", i, got)
		}
		if got := b.Add(key, number(i), time.Now()); got != cache.Replayed {
			t.Fatalf("proof %d at the other node: %v", i, got)
		}
	}
	if a.Scope() != b.Scope() {
		t.Errorf("scopes %x and %x", a.Scope(), b.Scope())
	}
	before := a.Scope()
	servers[1].tell("flushall")
	for _, n := range []*node{a, b} {
		eventually(t, "the loss to be noticed", func() bool { return n.Scope() != before })
	}
	eventually(t, "the nodes to agree", func() bool { return a.Scope() == b.Scope() })
}

// Sentinels know who the primary is. After a failover no proof of before passes.
func TestSentinelsLeadToTheNewPrimary(t *testing.T) {
	primary, replica := serve(t), serve(t)
	follow(t, replica, primary)
	var sentinels []*server
	for range 3 {
		folder := t.TempDir()
		path := filepath.Join(folder, "sentinel.conf")
		_, port, _ := strings.Cut(primary.address, ":")
		text := fmt.Sprintf("sentinel monitor main 127.0.0.1 %s 2\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n", port)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinels = append(sentinels, serveSentinel(t, path))
	}
	eventually(t, "the Sentinels to know each other", func() bool {
		return strings.Contains(sentinels[0].tell("sentinel", "master", "main"), "num-other-sentinels\n2") &&
			strings.Contains(sentinels[0].tell("sentinel", "master", "main"), "num-slaves\n1")
	})
	n := join(t, sentinels, func(c *Config) { c.Sentinel = "main" }, inService)
	n.want(t, "spent", cache.Added)
	before := n.Scope()
	primary.kill()
	within(t, "the first answer", func() { n.want(t, "any", cache.Unavailable) })
	eventually(t, "the new primary to answer", func() bool { return n.store.Status().Up && n.Scope() != before })
	if !n.Owes(time.Now(), before) || n.Trusts(time.Now(), before) {
		t.Error("the new primary passes for the old one")
	}
	eventually(t, "a proof to be accepted", func() bool { return n.with(n.Scope(), time.Now().String()) == cache.Added })
}
