// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Redis is a real redis-server on loopback.
type Redis struct {
	// Address is where it listens, host:port.
	Address string

	folder    string
	port      int
	arguments []string

	mu      sync.Mutex
	command *exec.Cmd
}

// StartRedis starts a redis-server that ends with the test. Without one on the
// machine the test is skipped, but not in CI.
func StartRedis(t testing.TB, arguments ...string) *Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed (Debian: apt-get install redis-server)")
		}
		t.Skip("redis-server is not installed (Debian: apt-get install redis-server)")
	}
	r := &Redis{arguments: arguments}
	var err error
	if r.folder, err = os.MkdirTemp(workspace, "redis-"); err != nil {
		t.Fatal(err)
	}
	if r.port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	r.Address = fmt.Sprintf("127.0.0.1:%d", r.port)
	t.Cleanup(r.Kill)
	r.Run(t)
	return r
}

// Run starts the server again, after Kill, at the same address and with the
// same files.
func (r *Redis) Run(t testing.TB) {
	t.Helper()
	output, err := os.OpenFile(filepath.Join(r.folder, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	command := exec.Command("redis-server", append([]string{
		"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--dir", r.folder, "--save", "", "--repl-diskless-sync-delay", "0",
	}, r.arguments...)...)
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.command = command
	r.mu.Unlock()
	Eventually(t, "redis-server to listen", func() bool {
		connection, err := net.Dial("tcp", r.Address)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
}

// Kill ends the server as kill -9 does.
func (r *Redis) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.command != nil {
		_ = r.command.Process.Kill()
		_ = r.command.Wait() // it was killed
		r.command = nil
	}
}

// Pause stops the process where it is; connections stay open and nothing
// answers on them.
func (r *Redis) Pause() { r.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (r *Redis) Resume() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(signal syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.command != nil {
		_ = r.command.Process.Signal(signal)
	}
}

// Tell runs a command with redis-cli and returns the answer.
func (r *Redis) Tell(t testing.TB, arguments ...string) string {
	t.Helper()
	output, err := exec.Command("redis-cli", append([]string{"-p", strconv.Itoa(r.port)}, arguments...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %s: %v %s", strings.Join(arguments, " "), err, output)
	}
	return string(bytes.TrimSpace(output))
}

// Follow makes the server a replica of another one, and waits until it has
// everything.
func (r *Redis) Follow(t testing.TB, primary *Redis) {
	t.Helper()
	r.Tell(t, "replicaof", "127.0.0.1", strconv.Itoa(primary.port))
	Eventually(t, "the replica to be in sync", func() bool {
		return strings.Contains(r.Tell(t, "info", "replication"), "master_link_status:up")
	})
}

// Node are the options of one of several nodes that remember spent proofs in
// the store at the address, and share the secret of their nonces. The lines
// are further ones of the `replay` block.
func Node(address string, lines ...string) Options {
	return Options{
		App:   "replay redis redis://" + address + " {\nmax_per_key 1000000\n" + strings.Join(lines, "\n") + "\n}",
		Proof: "nonce_secret " + Secret("nonce secret", "the-secret-that-all-nodes-share-in-tests"),
	}
}
