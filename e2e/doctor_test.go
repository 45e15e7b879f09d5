// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestDoctorExaminesARunningServer with the configuration that it runs, and
// another that it could not run.
func TestDoctorExaminesARunningServer(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	server.Do(t, harness.HTTP1, harness.Request{Path: "/x", Header: bearer(world.AT1)})
	config := filepath.Join(t.TempDir(), "caddy.json")
	running := fetch(t, server.AdminURL("/config/"))
	if err := os.WriteFile(config, running, 0o600); err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(server.AdminURL(""), "http://")

	good := caddy(t, nil, "token-protection", "doctor", "--config", config, "--address", address)
	if good.status != 0 {
		t.Errorf("status %d\n%s%s", good.status, good.stdout, good.stderr)
	}
	for _, line := range []string{"ok    configuration", "ok    resources", "ok    key set", "ok    clock", "ok    server", "warn  last decisions"} {
		if !strings.Contains("\n"+good.stdout, "\n"+line) {
			t.Errorf("no line %q in\n%s", line, good.stdout)
		}
	}
	if !strings.Contains(good.stdout, "scheme_mismatch (1)") {
		t.Errorf("the last decision is not in\n%s", good.stdout)
	}

	broken := strings.ReplaceAll(string(running), world.Issuer.URL, "http://127.0.0.1:1")
	if err := os.WriteFile(config, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := caddy(t, nil, "token-protection", "doctor", "--config", config, "--address", address, "--json")
	var findings []struct{ Check, Level, Hint string }
	if err := json.Unmarshal([]byte(bad.stdout), &findings); err != nil {
		t.Fatalf("%v\n%s", err, bad.stdout)
	}
	failed := func(f struct{ Check, Level, Hint string }) bool {
		return f.Check == "key set" && f.Level == "FAIL" && f.Hint != ""
	}
	if bad.status != 1 || !slices.ContainsFunc(findings, failed) || !strings.Contains(bad.stderr, "1 check failed") {
		t.Errorf("status %d\n%s%s", bad.status, bad.stdout, bad.stderr)
	}
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d: %v", url, response.StatusCode, err)
	}
	return text
}
