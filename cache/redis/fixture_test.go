// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

// patience is how long tests wait for what should happen at once.
const patience = 10 * time.Second

// server is a real redis-server on loopback that ends with the test.
type server struct {
	t         testing.TB
	folder    string
	address   string
	arguments []string
	sentinel  string // its configuration, if it is one
	command   *exec.Cmd
}

// serve starts a redis-server. Without one the test is skipped, but not in CI.
func serve(t testing.TB, arguments ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed (Debian: apt-get install redis-server)")
		}
		t.Skip("redis-server is not installed (Debian: apt-get install redis-server)")
	}
	s := &server{t: t, folder: t.TempDir(), address: freeAddress(t), arguments: arguments}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// serveSentinel starts a Sentinel with a configuration of its own, which it writes to.
func serveSentinel(t testing.TB, path string) *server {
	t.Helper()
	s := &server{t: t, folder: t.TempDir(), address: freeAddress(t), sentinel: path}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// start starts the server, also again, at the same address and with the same files.
func (s *server) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	arguments := append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.folder, "--save", "", "--repl-diskless-sync-delay", "0"}, s.arguments...)
	switch {
	case s.sentinel != "":
		arguments = []string{s.sentinel, "--sentinel", "--port", port, "--bind", "127.0.0.1", "--dir", s.folder}
	case slices.Contains(s.arguments, "--tls-cert-file"):
		arguments = append(arguments, "--tls-port", port)
	}
	output, err := os.OpenFile(filepath.Join(s.folder, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer output.Close()
	s.command = exec.Command("redis-server", arguments...)
	s.command.Stdout, s.command.Stderr = output, output
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "redis-server to listen", func() bool {
		connection, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
}

// kill ends the server as kill -9 does.
func (s *server) kill() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Kill()
	_ = s.command.Wait() // it was killed
	s.command = nil
}

// pause and resume stop the process where it is, and let it go on.
func (s *server) pause()  { _ = s.command.Process.Signal(syscall.SIGSTOP) }
func (s *server) resume() { _ = s.command.Process.Signal(syscall.SIGCONT) }

// tell runs a command with redis-cli, and returns the answer.
func (s *server) tell(arguments ...string) string {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	output, err := exec.Command("redis-cli", append([]string{"-p", port}, arguments...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("redis-cli %s: %v %s", strings.Join(arguments, " "), err, output)
	}
	return string(bytes.TrimSpace(output))
}

// node is one of several processes that share a store.
type node struct {
	*Replay
	store *Store
}

const lifetime = 90 * time.Second

// join connects a node to the servers, and waits until the store answers it.
func join(t testing.TB, servers []*server, edits ...func(*Config)) *node {
	t.Helper()
	n := offline(t, servers, edits...)
	eventually(t, "the store to answer", func() bool { return n.store.Status().Up })
	return n
}

// inService gives a store the deadline that it has in service. Where nothing is wrong with the server, tests wait longer:
// they may share their machine.
func inService(c *Config) { c.deadline = Deadline }

// offline is join without waiting.
func offline(t testing.TB, servers []*server, edits ...func(*Config)) *node {
	t.Helper()
	config := Config{Prefix: "test:", deadline: 20 * Deadline}
	for _, server := range servers {
		config.Addresses = append(config.Addresses, server.address)
	}
	for _, edit := range edits {
		edit(&config)
	}
	store, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	n := &node{store: store, Replay: set(t, store, 1000, lifetime)}
	store.Start()
	return n
}

func set(t testing.TB, store *Store, maxPerKey int, lifetime time.Duration) *Replay {
	t.Helper()
	local, err := cache.NewReplay(cache.ReplayConfig{MaxEntries: 10_000, MaxPerKey: 10_000, Lifetime: lifetime, Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Set(SetConfig{Name: "dpop", MaxPerKey: maxPerKey, Lifetime: lifetime, Local: local})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var alice, bob = [32]byte{1}, [32]byte{2}

func (n *node) want(t testing.TB, id string, want cache.Outcome) {
	t.Helper()
	if got := n.Add(alice, id, time.Now()); got != want {
		t.Errorf("proof %s: %v, want %v", id, got, want)
	}
}

// with spends a proof that carries a nonce of a scope, issued now.
func (n *node) with(scope uint64, id string) cache.Outcome {
	now := time.Now()
	return n.Spend(cache.Proof{Key: alice, ID: id, Name: cache.Identify(&alice, id), Scope: scope, Issued: now}, now)
}

func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// within fails the test if something takes as long as if there were no deadline. The promise itself is measured by
// e2e/chaos, on a machine that has nothing else to do.
func within(t testing.TB, what string, do func()) {
	t.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took > 10*Deadline {
		t.Errorf("%s took %v", what, took)
	}
}

func number(i int) string { return fmt.Sprintf("proof-%d", i) }
