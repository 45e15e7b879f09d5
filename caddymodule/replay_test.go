// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
)

// `caddy validate`, and a configuration that is rejected, reach for no server.
func TestProvisioningConnectsToNoStore(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int64
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = connection.Close()
		}
	})
	a := &App{
		Issuers: []Issuer{{Issuer: "https://login.contoso.example"}},
		Replay:  Replay{Store: storeRedis, URL: "redis://user:correct-horse@" + listener.Addr().String()},
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	if err := a.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if _, shared := a.replay.(*enforcement.SharedReplay); !shared || a.store == nil {
		t.Errorf("spent proofs are remembered in %T", a.replay)
	}
	if err := a.Cleanup(); err != nil {
		t.Error(err)
	}
	_ = listener.Close()
	accepting.Wait()
	if connections.Load() > 0 {
		t.Errorf("%d connections", connections.Load())
	}
}

// A reload that changes nothing about the store takes it over, and what it
// remembers; another password is another connection.
func TestAStoreIsTakenOverByWhatLeadsToIt(t *testing.T) {
	t.Setenv("REDIS_PASSWORD", "p@ss/word")
	t.Setenv("REDIS_URL", "rediss://user:p%40ss%2Fword@host")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	certificate, err := os.ReadFile("testdata/device_ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	print := func(r Replay) string {
		t.Helper()
		r.Store = storeRedis
		r.setDefaults()
		config, err := r.redis()
		if err != nil {
			t.Fatal(err)
		}
		return r.fingerprint(config)
	}
	base := print(Replay{URL: "rediss://user:{env.REDIS_PASSWORD}@host"})
	if got := print(Replay{URL: "{env.REDIS_URL}"}); got != base {
		t.Error("another spelling of the same is another connection")
	}
	if strings.Contains(base, "word") {
		t.Error("the fingerprint shows the password")
	}
	seen := map[string]string{base: "base"}
	for name, r := range map[string]Replay{
		"another password": {URL: "rediss://user:other@host"},
		"another user":     {URL: "rediss://other:{env.REDIS_PASSWORD}@host"},
		"another host":     {URL: "rediss://user:{env.REDIS_PASSWORD}@other"},
		"another database": {URL: "rediss://user:{env.REDIS_PASSWORD}@host/1"},
		"no TLS":           {URL: "redis://user:{env.REDIS_PASSWORD}@host"},
		"an authority":     {URL: "rediss://user:{env.REDIS_PASSWORD}@host", CA: []string{ca}},
		"a cluster":        {URL: "rediss://user:{env.REDIS_PASSWORD}@host", Cluster: true},
		"Sentinels":        {URL: "rediss://user:{env.REDIS_PASSWORD}@host", Sentinel: "main"},
		"their password":   {URL: "rediss://user:{env.REDIS_PASSWORD}@host", Sentinel: "main", SentinelPassword: "{env.REDIS_PASSWORD}"},
		"another prefix":   {URL: "rediss://user:{env.REDIS_PASSWORD}@host", KeyPrefix: "x:"},
		"another posture":  {URL: "rediss://user:{env.REDIS_PASSWORD}@host", OnOutage: outageNonce},
		"more consistency": {URL: "rediss://user:{env.REDIS_PASSWORD}@host", Consistency: consistencyStrict},
	} {
		fingerprint := print(r)
		if other, twice := seen[fingerprint]; twice {
			t.Errorf("%s and %s are one connection", name, other)
		}
		seen[fingerprint] = name
	}
}

// The states of several resources' sets are one series each.
func TestStatsOfSeveralSetsAddUp(t *testing.T) {
	sets := make(spentSets)
	early, late := time.Unix(1700000000, 0), time.Unix(1700000100, 0)
	for resource, start := range map[string]time.Time{"exchange": early, "sharepoint": late} {
		set, err := enforcement.NewReplay(10, 1, time.Minute, 0, start)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"1", "1", "2"} {
			set.Add([32]byte{1}, id, late)
		}
		sets[setName{proof.DBSC, resource}] = set
	}
	stats := sets.stats()
	if s := stats[proof.DBSC]; len(stats) != 1 || s.Entries != 2 || s.Replayed != 2 || s.OverQuota != 2 || !s.Watermark.Equal(late) {
		t.Errorf("%+v", stats)
	}
}
