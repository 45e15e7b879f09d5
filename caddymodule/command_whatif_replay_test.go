// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// draft writes a policy for everybody at Exchange.
func draft(t testing.TB, path, state string, users string) {
	t.Helper()
	text := `{"displayName": "Draft", "state": "` + state + `", "conditions": {"users": {` + users + `}, "applications": {"includeApplications": ["exchange"]}},
		"sessionControls": {"secureSignInSession": {"isEnabled": true}}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIfReplaysALogAgainstADraft(t *testing.T) {
	folder := t.TempDir()
	log, more, policies := filepath.Join(folder, "sign-in.log"), filepath.Join(folder, "more.log.gz"), filepath.Join(folder, "draft.json")
	signInLog(t, log, map[string]bool{"ana": true, "ben": false}, 2)
	signInLog(t, more, map[string]bool{"cyd": false}, 1)
	for name, test := range map[string]struct {
		state, users string
		arguments    []string
		want         string // without the heading
	}{
		"on":            {"enabled", `"includeUsers": ["All"]`, nil, "ben,id-ben,Office 365 Exchange Online,reportOnlyFailure,block,Draft,10,0,2026-03-02T12:00:00Z"},
		"excluded":      {"enabled", `"includeUsers": ["All"], "excludeUsers": ["ben"]`, nil, "ben,id-ben,Office 365 Exchange Online,reportOnlyFailure,allow,,10,0,2026-03-02T12:00:00Z"},
		"by group":      {"enabled", `"includeUsers": ["All"], "excludeGroups": ["break-glass"]`, nil, "ben,id-ben,Office 365 Exchange Online,reportOnlyFailure,block,Draft,10,10,2026-03-02T12:00:00Z"},
		"as before":     {"enabledForReportingButNotEnforced", `"includeUsers": ["All"]`, nil, ""},
		"turned on":     {"enabledForReportingButNotEnforced", `"includeUsers": ["All"]`, []string{"--turn-on"}, "ben,id-ben,Office 365 Exchange Online,reportOnlyFailure,block,Draft,10,0,2026-03-02T12:00:00Z"},
		"off stays off": {"disabled", `"includeUsers": ["All"]`, []string{"--turn-on"}, "ben,id-ben,Office 365 Exchange Online,reportOnlyFailure,allow,,10,0,2026-03-02T12:00:00Z"},
		"from":          {"enabled", `"includeUsers": ["All"]`, []string{"--from", "2026-03-02"}, "ben,id-ben,Office 365 Exchange Online,reportOnlyFailure,block,Draft,5,0,2026-03-02T12:00:00Z"},
		"at a resource": {"enabled", `"includeUsers": ["All"]`, []string{"--resource", "sharepoint"}, ""},
		"files that follow": {"enabled", `"includeUsers": ["All"]`, []string{more}, "ben,id-ben,Office 365 Exchange Online,reportOnlyFailure,block,Draft,10,0,2026-03-02T12:00:00Z\n" +
			"cyd,id-cyd,Office 365 Exchange Online,reportOnlyFailure,block,Draft,5,0,2026-03-01T12:00:00Z"},
		"given again": {"enabled", `"includeUsers": ["All"]`, []string{"--log", more, "--from", "2026-03-01T13:00:00Z"},
			"ben,id-ben,Office 365 Exchange Online,reportOnlyFailure,block,Draft,5,0,2026-03-02T12:00:00Z"},
	} {
		draft(t, policies, test.state, test.users)
		got := runCommand(t, whatIfCommand(), nil, append([]string{"--policies", policies, "--log", log, "--format", "csv"}, test.arguments...)...)
		rows, _, _ := strings.Cut(got.stdout, "\n\n")
		_, rows, _ = strings.Cut(strings.TrimSpace(rows), "\n")
		if got.err != nil || rows != test.want {
			t.Errorf("%s: %v\n%s%s", name, got.err, got.stdout, got.stderr)
		}
		if warned := strings.Contains(got.stderr, "no sign-in fits the filters"); warned != (name == "at a resource") {
			t.Errorf("%s: %s", name, got.stderr)
		}
	}
}

// Law: judged by the policies that it was written under, a running server's log has nothing that would change.
func TestWhatIfChangesNothingUnderThePoliciesOfTheLog(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	for _, policies := range []string{policyOn, policyReportOnly} {
		log := filepath.Join(t.TempDir(), "sign-in.log")
		config := setup{issuer: i, app: "sign_in_log {\n\tinterval 0\n}\n" + policies,
			options: "log sign_in {\n\toutput file " + log + "\n\tinclude token_protection.sign_in\n}"}
		config.load(t)
		send(t, proven(t, i, device, "/ews"))
		send(t, request("/ews", "Bearer "+i.token(t, confirmedBy(device))))
		send(t, request("/ews", "Bearer "+i.token(t, nil)))
		send(t, request("/ews", "Bearer x"))
		send(t, request("/ews", ""))
		file := filepath.Join(t.TempDir(), "Caddyfile")
		if err := os.WriteFile(file, []byte(config.caddyfile("caddy.sock")), 0o600); err != nil {
			t.Fatal(err)
		}
		got := runCommand(t, whatIfCommand(), nil, "--config", file, "--log", log, "--format", "json")
		report := decode[signin.ChangeReport](t, []byte(got.stdout))
		if got.err != nil || report.Requests != 5 || report.Changed != 0 {
			t.Errorf("%v: %s", got.err, got.stdout)
		}
	}
}

func TestWhatIfSaysWhichResourcesALogMayNotShow(t *testing.T) {
	folder := t.TempDir()
	log, policies := filepath.Join(folder, "sign-in.log"), filepath.Join(folder, "draft.json")
	signInLog(t, log, map[string]bool{"ana": true}, 1)
	draft(t, policies, "enabled", `"includeUsers": ["All"]`)
	if got := runCommand(t, whatIfCommand(), nil, "--policies", policies, "--log", log); got.err != nil || got.stderr != "" {
		t.Errorf("a well-known resource: %v, %s", got.err, got.stderr)
	}
	text, err := os.ReadFile(policies)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(policies, bytes.Replace(text, []byte("exchange"), []byte("payroll"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := runCommand(t, whatIfCommand(), nil, "--policies", policies, "--log", log); got.err != nil || !strings.Contains(got.stderr, "without --config, payroll are found only") {
		t.Errorf("another: %v, %s", got.err, got.stderr)
	}
}

func TestWhatIfSaysWhichFlagsDoNotGoTogether(t *testing.T) {
	t.Chdir("testdata/what_if")
	one := []string{"--config", "Caddyfile", "--user", "ana", "--resource", "exchange"}
	replayed := []string{"--policies", "draft.json", "--log", "sign-in.log"}
	for name, test := range map[string]struct {
		arguments []string
		says      string
	}{
		"from without a log":     {append(slices.Clone(one), "--from", "7d"), "--from: given without --log; expected both"},
		"rolled without a log":   {append(slices.Clone(one), "--rolled"), "--rolled: given without --log; expected both"},
		"a file without a log":   {append(slices.Clone(one), "sign-in.log"), `["sign-in.log"]: expected only flags; logs follow --log`},
		"csv without a log":      {append(slices.Clone(one), "--format", "csv"), `--format "csv": expected table or json`},
		"a user beside a log":    {append(slices.Clone(replayed), "--user", "ana"), "[log user]"},
		"a request beside a log": {append(slices.Clone(replayed), "--request", "request.json"), "[log request]"},
		"expect beside a log":    {append(slices.Clone(replayed), "--expect", "allow"), "[expect log]"},
		"format":                 {append(slices.Clone(replayed), "--format", "xml"), `--format "xml": expected table or json or csv`},
		"times":                  {append(slices.Clone(replayed), "--from", "yesterday"), `--from "yesterday": expected a time`},
		"no log":                 {replayed, "no such file"},
	} {
		if got := runCommand(t, whatIfCommand(), nil, test.arguments...); got.err == nil || !strings.Contains(got.err.Error(), test.says) {
			t.Errorf("%s: %v", name, got.err)
		}
	}
}
