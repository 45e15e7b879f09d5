// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// Each case is a file: the arguments, a line of dashes, and what is printed: standard error with its end, then output.
func TestWhatIfPrints(t *testing.T) {
	t.Chdir("testdata/what_if")
	paths, err := filepath.Glob("*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(path, ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			arguments, expected, ok := strings.Cut(string(content), dashes)
			if !ok {
				t.Fatal("no line of dashes")
			}
			got := runCommand(t, whatIfCommand(), nil, strings.Fields(arguments)...)
			if isError := strings.HasPrefix(path, "error_"); isError != (got.err != nil) {
				t.Errorf("%v: a file is named error_* if and only if it holds an error", got.err)
			}
			printed := got.stderr + got.stdout
			if *update {
				err = os.WriteFile(path, []byte(arguments+dashes+printed), 0o644)
			} else if printed != expected {
				t.Errorf("got:\n%s\nexpected:\n%s", printed, expected)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// In CI the exit status is what counts, and the sentence is what is read.
func TestWhatIfFailsIfTheDecisionIsAnother(t *testing.T) {
	t.Chdir("testdata/what_if")
	for expect, says := range map[string]string{"allow": "--expect allow: the decision is block", "block": ""} {
		got := runCommand(t, whatIfCommand(), nil, "--policies", "draft.json", "--user", "ana", "--group", "", "--resource", "exchange", "--expect", expect)
		if (got.err != nil) != (says != "") || got.err != nil && got.err.Error() != says {
			t.Errorf("%s: %v", expect, got.err)
		}
		if !strings.Contains(got.stdout, "decision: block") {
			t.Errorf("%s: the answer is missing: %s", expect, got.stdout)
		}
	}
}

// A request says everything, so that a flag beside it would be lost.
func TestWhatIfRefusesFlagsBesideARequest(t *testing.T) {
	t.Chdir("testdata/what_if")
	for _, flag := range append(signInFlags, "resource") {
		got := runCommand(t, whatIfCommand(), nil, "--config", "Caddyfile", "--request", "request.json", "--"+flag+"=true")
		if got.err == nil || !strings.Contains(got.err.Error(), "[request "+flag+"]") {
			t.Errorf("%s: %v", flag, got.err)
		}
	}
}

func TestWhatIfReadsTheRequestFromStandardInput(t *testing.T) {
	t.Chdir("testdata/what_if")
	request, err := os.Open("request.json")
	if err != nil {
		t.Fatal(err)
	}
	defer request.Close()
	got := runCommand(t, whatIfCommand(), request, "--config", "Caddyfile", "--request", "-", "--format", "json")
	var answer policy.WhatIfResponse
	if err := json.Unmarshal([]byte(got.stdout), &answer); got.err != nil || err != nil || answer.Decision != policy.WhatIfAllow || len(answer.Value) != 2 {
		t.Errorf("%v, %v\n%s", got.err, err, got.stdout)
	}
}

// The policies file of a configuration counts.
func TestWhatIfReadsThePoliciesFileOfAConfiguration(t *testing.T) {
	folder := t.TempDir()
	draft, err := filepath.Abs("testdata/what_if/draft.json")
	if err != nil {
		t.Fatal(err)
	}
	caddyfile := "{\n\ttoken_protection {\n\t\tissuer https://login.contoso.example\n\t\tpolicies_file " + draft + "\n\t}\n}\nmail.contoso.example {\n\ttoken_protection exchange\n}\n"
	if err := os.WriteFile(filepath.Join(folder, "Caddyfile"), []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	got := runCommand(t, whatIfCommand(), nil, "--config", filepath.Join(folder, "Caddyfile"), "--user", "ana", "--group", "", "--resource", "exchange", "--expect", "block")
	if got.err != nil || !strings.Contains(got.stdout, `"Draft: everybody"`) {
		t.Errorf("%v\n%s", got.err, got.stdout)
	}
}
