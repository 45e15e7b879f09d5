// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestDemoOncePlaysBothPhases and says by its status that all went as expected.
func TestDemoOncePlaysBothPhases(t *testing.T) {
	got := caddy(t, nil, "token-protection", "demo", "--once")
	if got.status != 0 {
		t.Errorf("status %d\n%s%s", got.status, got.stdout, got.stderr)
	}
	at := 0
	for _, text := range []string{
		"state report_only", "alice", "thief", "Nothing was blocked", "reportOnlyFailure", "state on", "dave", "erin", "frank", "invalid_dpop_proof", "frank's session cookie", "PctEnforceable", "alice@contoso.example",
	} {
		found := strings.Index(got.stdout[at:], text)
		if found < 0 {
			t.Fatalf("no %q after byte %d of\n%s", text, at, got.stdout)
		}
		at += found
	}
	if strings.Contains(got.stdout, " NO ") || strings.Contains(got.stdout, "eyJ") {
		t.Errorf("an unexpected outcome, or a token:\n%s", got.stdout)
	}
}

// buffer is what a running command has written so far.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestDemosHintsWork runs the demo until it serves, and then the commands that
// it prints, in a shell, as an administrator would.
func TestDemosHintsWork(t *testing.T) {
	folder := t.TempDir()
	var printed buffer
	demo := exec.Command(harness.Binary(), "token-protection", "demo")
	demo.Stdout, demo.Stderr = &printed, &printed
	demo.Env = append(os.Environ(), "HOME="+folder, "TMPDIR="+folder)
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- demo.Wait() }()
	t.Cleanup(func() { _ = demo.Process.Kill() })
	harness.Eventually(t, "the demo's hints", func() bool {
		_, hints, ok := strings.Cut(printed.String(), "Still serving")
		return ok && strings.Contains(hints, "Bearer") && strings.HasSuffix(hints, "\n")
	})
	steps := commands(t, printed.String())
	if len(steps) < 4 {
		t.Fatalf("the hints have %d commands:\n%s", len(steps), printed.String())
	}
	if err := os.Symlink(harness.Binary(), filepath.Join(folder, "caddy")); err != nil {
		t.Fatal(err)
	}
	var device, thief int
	for _, step := range steps {
		got := shell(t, folder, step)
		switch {
		case strings.Contains(step, "Authorization: DPoP"):
			if nonce := regexp.MustCompile(`(?mi)^dpop-nonce: (\S+)\r?$`).FindStringSubmatch(got); nonce != nil {
				got = shell(t, folder, strings.Replace(step, "--token-file", "--nonce '"+nonce[1]+"' --token-file", 1))
			}
			if !answered(got, 200) {
				t.Errorf("the device got\n%s", got)
			}
			device++
		case strings.Contains(step, "Authorization: Bearer"):
			if !answered(got, 401) || !strings.Contains(got, `error="invalid_token"`) {
				t.Errorf("the thief got\n%s", got)
			}
			thief++
		}
	}
	if device == 0 || thief == 0 {
		t.Errorf("%d requests of a device, %d of a thief among %q", device, thief, steps)
	}
	if err := demo.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, printed.String())
	}
}

// answered reports whether curl printed an answer with the status, over
// whichever version of HTTP it speaks.
func answered(printed string, status int) bool {
	return regexp.MustCompile(fmt.Sprintf(`^HTTP/[0-9.]+ %d`, status)).MatchString(printed)
}

// commands takes the shell commands out of the hints.
func commands(t *testing.T, printed string) []string {
	t.Helper()
	_, hints, ok := strings.Cut(printed, "Still serving")
	if !ok {
		t.Fatal("no hints")
	}
	var steps []string
	for line := range strings.Lines(strings.ReplaceAll(hints, "\\\n", " ")) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "caddy ") || strings.HasPrefix(line, "curl ") {
			steps = append(steps, line)
		}
	}
	return steps
}

func shell(t *testing.T, folder, command string) string {
	t.Helper()
	sh := exec.Command("sh", "-c", command)
	sh.Dir = folder
	sh.Env = append(os.Environ(), "HOME="+folder, "PATH="+folder+":"+os.Getenv("PATH"))
	var stderr strings.Builder
	sh.Stderr = &stderr
	got, err := sh.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, stderr.String())
	}
	return string(got)
}
