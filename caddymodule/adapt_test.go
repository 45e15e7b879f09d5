// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
)

var update = flag.Bool("update", false, "write what the adapter returns into testdata/adapt")

const dashes = "\n----------\n"

// adapt turns a Caddyfile into indented JSON.
func adapt(caddyfile string) (string, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, adapted, "", "\t"); err != nil {
		return "", err
	}
	return indented.String(), nil
}

// golden calls visit with each case's name, Caddyfile and expected result.
func golden(t testing.TB, visit func(path, caddyfile, expected string)) {
	paths, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no adapt tests found: %v", err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		caddyfile, expected, ok := strings.Cut(string(content), dashes)
		if !ok {
			t.Fatalf("%s: no line of dashes", path)
		}
		visit(path, caddyfile+"\n", strings.TrimSpace(expected))
	}
}

func TestAdapt(t *testing.T) {
	golden(t, func(path, caddyfile, expected string) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".caddyfiletest"), func(t *testing.T) {
			got, err := adapt(caddyfile)
			if err != nil {
				got = err.Error()
			}
			if *update {
				if err := os.WriteFile(path, []byte(strings.TrimSuffix(caddyfile, "\n")+dashes+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != expected {
				t.Errorf("got:\n%s\nexpected:\n%s", got, expected)
			}
		})
	})
}

// Every mistake is reported with file and line, and with what is allowed.
func TestAdaptErrorsSayWhereAndWhatIsExpected(t *testing.T) {
	place := regexp.MustCompile(`, at Caddyfile:[1-9][0-9]*$`)
	allowed := regexp.MustCompile(`expected|allowed|must|only|include users|not a positive number`)
	errors := 0
	golden(t, func(path, _, expected string) {
		isError := strings.HasPrefix(filepath.Base(path), "error_")
		if isJSON := strings.HasPrefix(expected, "{"); isJSON == isError {
			t.Errorf("%s: a file is named error_* if and only if it holds an error", path)
		}
		if !isError {
			return
		}
		errors++
		if !place.MatchString(expected) {
			t.Errorf("%s: no file and line in %q", path, expected)
		}
		if !allowed.MatchString(expected) {
			t.Errorf("%s: does not say what is allowed: %q", path, expected)
		}
		if strings.Contains(expected, "correct-horse") || strings.Contains(expected, "password@") {
			t.Errorf("%s: a secret in %q", path, expected)
		}
	})
	if errors < 50 {
		t.Errorf("only %d error cases", errors)
	}
}

// What the adapter accepts is what the modules accept: names and shape agree.
func TestAdaptedConfigurationLoads(t *testing.T) {
	t.Setenv("NONCE_SECRET", strings.Repeat("n", minSecret))
	t.Setenv("NONCE_SECRET_BEFORE", strings.Repeat("b", minSecret))
	t.Setenv("REDIS_PASSWORD", "p@ss/word")
	t.Setenv("REDIS_URL", "rediss://user:p%40ss@redis.contoso.example")
	t.Setenv("SENTINEL_PASSWORD", "word")
	golden(t, func(path, _, expected string) {
		if !strings.HasPrefix(expected, "{") || strings.Contains(expected, "jwks_file") || strings.Contains(expected, "policies_file") || strings.Contains(expected, "client_certificate") {
			return // an error, or a file that is not here
		}
		config := new(caddy.Config)
		if err := json.Unmarshal([]byte(expected), config); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		config.Admin = &caddy.AdminConfig{Disabled: true}
		if err := caddy.Validate(config); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	})
}

func FuzzCaddyfile(f *testing.F) {
	golden(f, func(_, caddyfile, _ string) { f.Add(caddyfile) })
	f.Fuzz(func(t *testing.T, caddyfile string) {
		if strings.Contains(caddyfile, "import") { // reads files, and Caddy's own parser is not what is tested
			return
		}
		got, err := adapt(caddyfile)
		if err == nil && !json.Valid([]byte(got)) {
			t.Errorf("neither an error nor JSON: %q", got)
		}
	})
}
