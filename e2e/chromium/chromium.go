// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package chromium drives a real browser, headless, over the DevTools protocol,
// for tests of device-bound sessions.
package chromium

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything in the browser may take.
const patience = 30 * time.Second

// Browser is a headless browser, driven over the DevTools protocol: JSON
// messages, each ended by a NUL, on two pipes.
type Browser struct {
	t        *testing.T
	commands io.Writer
	page     string // the DevTools session of the one page

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
}

// Find returns the browser's program. Where there is none the test is
// skipped, except in continuous integration, which has to install it.
func Find(t *testing.T) string {
	t.Helper()
	if os.Getenv("BROWSER") == "" {
		t.Skip("needs a machine to itself, or the browser gives up on answers that come late: BROWSER=1 go test -run ^TestBrowser")
	}
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); name != "" && err == nil {
			return program
		}
	}
	const missing = "no chromium on this machine: device-bound sessions are not tested in a real browser; install Debian's package chromium, or name the program in CHROMIUM"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// Start starts a browser with a fresh profile that trusts the key of the
// test's certificate. It finds hosts below .test on loopback, and others as
// told ("<host> <address>:<port>"). It ends with the test.
//
// Both features are needed: on Linux, device-bound sessions are off, and their
// keys only exist in software. Ignoring certificate errors altogether would
// turn device-bound sessions off.
func Start(t *testing.T, spki []byte, hosts ...string) *Browser {
	t.Helper()
	program := Find(t)
	profile, err := os.MkdirTemp(t.TempDir(), "profile")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	rules := "MAP *.test 127.0.0.1"
	for _, host := range hosts {
		rules += ", MAP " + host
	}
	cmd := exec.Command(program,
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
		"--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(sum[:]),
		"--host-resolver-rules="+rules,
		"--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	commandsOut, commands, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, answersIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{commandsOut, answersIn} // descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	_, _ = commandsOut.Close(), answersIn.Close()
	b := &Browser{t: t, commands: commands, waiting: map[int]chan message{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(answers)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the whole group, which this test started
		_ = cmd.Wait()
		_, _ = commands.Close(), answers.Close()
		<-read
	})

	var target struct{ TargetID string }
	b.call("", "Target.createTarget", object{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call("", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &session)
	b.page = session.SessionID
	return b
}

// For is the browser for another test, which fails if something goes wrong.
func (b *Browser) For(t *testing.T) { b.t = t }
