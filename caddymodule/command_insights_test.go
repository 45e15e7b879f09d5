// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestInsightsWritesAPage(t *testing.T) {
	folder := t.TempDir()
	log, rolled, out := filepath.Join(folder, "sign-in.log"), filepath.Join(folder, "sign-in-2026-03-02T00-00-00.000.log.gz"), filepath.Join(folder, "page.html")
	signInLog(t, log, map[string]bool{"ana": true}, 2)
	signInLog(t, rolled, map[string]bool{"ben": false}, 1)
	for name, test := range map[string]struct {
		arguments []string
		says      string
	}{
		"one":      {[]string{log}, "10 requests in 2 sign-in records"},
		"rolled":   {[]string{"--rolled", log}, "15 requests in 3 sign-in records"},
		"filtered": {[]string{log, "--from", "2026-03-02"}, "5 requests in 1 sign-in records"},
		"nothing":  {[]string{log, "--resource", "sharepoint"}, "0 requests in 0 sign-in records"},
	} {
		got := runCommand(t, insightsCommand(), nil, test.arguments...)
		if got.err != nil || !strings.HasPrefix(got.stdout, "<!DOCTYPE html>") || !strings.Contains(got.stdout, test.says) {
			t.Errorf("%s: %v %.300s", name, got.err, got.stdout)
		}
	}
	if got := runCommand(t, insightsCommand(), nil, log, "--out", out); got.err != nil || got.stdout != "" {
		t.Errorf("%v %q", got.err, got.stdout)
	}
	info, err := os.Stat(out)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 5000 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestInsightsSaysWhatIsWrong(t *testing.T) {
	log := filepath.Join(t.TempDir(), "sign-in.log")
	signInLog(t, log, map[string]bool{"ana": true}, 1)
	for arguments, says := range map[string]string{
		log + " --from never":                `--from "never": expected a time`,
		log + " --listen 8181":               `--listen "8181": expected host:port or :port`,
		log + " --listen 203.0.113.1:1":      `--listen "203.0.113.1:1": listen`,
		log + " --listen :0 --out x":         "none of the others can be",
		log + ".none":                        "no such file",
		log + ".none --listen 127.0.0.1:0":   "no such file",
		log + " --out " + log + "/page.html": "not a directory",
	} {
		if got := runCommand(t, insightsCommand(), nil, strings.Fields(arguments)...); got.err == nil || !strings.Contains(got.err.Error(), says) {
			t.Errorf("%s: %v", arguments, got.err)
		}
	}
}

// The page is served on loopback, follows the log when it is rolled, and ends with the command.
func TestInsightsServesAndFollows(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	log := filepath.Join(t.TempDir(), "sign-in.log")
	signInLog(t, log, map[string]bool{"ana": true}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	command := insightsCommand()
	command.SetArgs([]string{log, "--listen", ":0"})
	stdout, stdoutIn := io.Pipe()
	command.SetOut(stdoutIn)
	command.SetErr(new(bytes.Buffer))
	done := make(chan error, 1)
	go func() { done <- command.ExecuteContext(ctx) }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http://127.0.0.1:") {
		t.Fatalf("%q, %v", line, err)
	}
	address := strings.TrimSpace(line)
	shows := func(text string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if status, page := fetch(t, address, ""); status == http.StatusOK && strings.Contains(page, text) {
				return
			} else if time.Now().After(end) {
				t.Fatalf("%d: does not show %q:\n%.900s", status, text, page)
			}
		}
	}
	shows("5 requests in 1 sign-in records")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	signInLog(t, log, map[string]bool{"ben": false, "cyd": true}, 1)
	shows("15 requests in 3 sign-in records")
	for host, want := range map[string]int{
		"localhost:1": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:80": http.StatusOK, "evil.example": http.StatusMisdirectedRequest, "127.0.0.1.evil.example:80": http.StatusMisdirectedRequest,
	} {
		if got, _ := fetch(t, address, host); got != want {
			t.Errorf("host %s: %d, want %d", host, got, want)
		}
	}
	if got, _ := fetch(t, address+"x", ""); got != http.StatusNotFound {
		t.Errorf("another path: %d", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func fetch(t testing.TB, address, host string) (status int, page string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
