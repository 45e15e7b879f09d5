// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

const example = "../Caddyfile.example"

// TestExampleIsValidAndFormatted: what people copy loads as it is.
func TestExampleIsValidAndFormatted(t *testing.T) {
	result := caddy(t, nil, "validate", "--config", example, "--adapter", "caddyfile")
	if result.status != 0 || !strings.Contains(result.stdout+result.stderr, "Valid configuration") {
		t.Errorf("caddy validate: status %d\n%s", result.status, result.stderr)
	}
	if strings.Contains(result.stderr, `"level":"warn"`) {
		t.Errorf("caddy validate warns:\n%s", result.stderr)
	}
	formatted := caddy(t, nil, "fmt", example)
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	if formatted.status != 0 || formatted.stdout != string(text) {
		t.Errorf("caddy fmt: status %d, and it would change the file", formatted.status)
	}
	for line := range strings.Lines(caddy(t, nil, "fmt", "--diff", example).stdout) {
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "-") {
			t.Errorf("caddy fmt --diff: %s", line)
		}
	}
}

// TestDemoHasTheExamplesPolicies: the demo shows what the example would do.
func TestDemoHasTheExamplesPolicies(t *testing.T) {
	want := policiesOf(t, example)
	if len(want) == 0 {
		t.Fatal("the example has no policy")
	}
	for _, demo := range []string{"../demo/Caddyfile", "../demo/process.caddyfile", "../demo/cluster/node.caddyfile"} {
		if got := policiesOf(t, demo); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%v\n%s:\n%v", demo, got, example, want)
		}
	}
}

var placeholder = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

// policiesOf adapts a Caddyfile, or a template of one, and returns its
// policies without the state they are in.
func policiesOf(t *testing.T, path string) []harness.Object {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	filled := placeholder.ReplaceAllStringFunc(string(text), func(name string) string {
		switch name {
		case "{{.Phase}}":
			return "on"
		case "{{.Directory}}", "{{.SignInLog}}":
			return "/nowhere"
		case "{{.ExchangeBackend}}", "{{.SharePointBackend}}":
			return "127.0.0.1:1"
		case "{{.Exchange}}":
			return "https://localhost:2"
		case "{{.SharePoint}}":
			return "https://localhost:3"
		}
		return "http://127.0.0.1:4"
	})
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(filled), 0o600); err != nil {
		t.Fatal(err)
	}
	adapted := caddy(t, nil, "adapt", "--config", file, "--adapter", "caddyfile")
	if adapted.status != 0 {
		t.Fatalf("caddy adapt %s: status %d\n%s", path, adapted.status, adapted.stderr)
	}
	var config struct {
		Apps struct {
			TokenProtection struct {
				Policy []harness.Object `json:"policy"`
			} `json:"token_protection"`
		} `json:"apps"`
	}
	if err := json.Unmarshal([]byte(adapted.stdout), &config); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, policy := range config.Apps.TokenProtection.Policy {
		delete(policy, "state")
	}
	return config.Apps.TokenProtection.Policy
}
