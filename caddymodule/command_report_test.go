// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// told is what a command printed.
type told struct {
	stdout, stderr string
	err            error
}

func runCommand(t testing.TB, command *cobra.Command, stdin io.Reader, arguments ...string) told {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command.SetArgs(arguments)
	command.SetIn(stdin)
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	err := command.Execute()
	return told{stdout.String(), stderr.String(), err}
}

// signInLog writes a log with one sign-in a day of each user, bound or not.
func signInLog(t testing.TB, path string, users map[string]bool, days int) {
	t.Helper()
	var log bytes.Buffer
	encoder := json.NewEncoder(&log)
	for user, bound := range users {
		for day := range days {
			record := signin.Record{
				TimeGenerated: signin.Timestamp(time.Date(2026, 3, 1+day, 12, 0, 0, 0, time.UTC)), ID: signin.NewID(),
				UserPrincipalName: user, UserID: "id-" + user, AppID: "outlook", RequestCount: 5,
				ResourceIdentity: "00000002-0000-0ff1-ce00-000000000000", ResourceDisplayName: "Office 365 Exchange Online",
				Decision:                     signin.Allow,
				TokenProtectionStatusDetails: signin.TokenProtectionStatusDetails{SignInSessionStatus: signin.Bound},
				ConditionalAccessPolicies:    signin.Policies([]signin.PolicyResult{{ID: "p", DisplayName: "Pilot", Result: signin.PolicyReportOnlySuccess}}),
			}
			if !bound {
				record.TokenProtectionStatusDetails = signin.TokenProtectionStatusDetails{SignInSessionStatus: signin.Unbound, SignInSessionStatusCode: 1008}
				record.Status.AdditionalDetails = "scheme_mismatch"
				record.ConditionalAccessPolicies = signin.Policies([]signin.PolicyResult{{ID: "p", DisplayName: "Pilot", Result: signin.PolicyReportOnlyFailure}})
			}
			if err := encoder.Encode(record); err != nil {
				t.Fatal(err)
			}
		}
	}
	if strings.HasSuffix(path, ".gz") {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(log.Bytes())
		_ = w.Close()
		log = packed
	}
	if err := os.WriteFile(path, log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReportReadsRolledPackedAndStandardInput(t *testing.T) {
	folder := t.TempDir()
	log, rolled := filepath.Join(folder, "sign-in.log"), filepath.Join(folder, "sign-in-2026-03-02T00-00-00.000.log.gz")
	signInLog(t, log, map[string]bool{"ana": true}, 1)
	signInLog(t, rolled, map[string]bool{"ben": false}, 1)
	content, err := os.ReadFile(rolled)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		arguments []string
		want      string // the row of the app
	}{
		"one":             {[]string{log}, "outlook,5,1,5,0,"},
		"both":            {[]string{log, rolled}, "outlook,10,2,5,5,"},
		"rolled":          {[]string{"--rolled", log}, "outlook,10,2,5,5,"},
		"given twice":     {[]string{"--rolled", log, rolled, log}, "outlook,10,2,5,5,"},
		"standard input":  {[]string{log, "-"}, "outlook,10,2,5,5,"},
		"resource":        {[]string{log, rolled, "--resource", "exchange"}, "outlook,10,2,5,5,"},
		"policy by name":  {[]string{log, rolled, "--policy", "pilot"}, "outlook,10,2,5,5,"},
		"from":            {[]string{log, "--from", "2026-03-01"}, "outlook,5,1,5,0,"},
		"to":              {[]string{log, "--to", "2026-03-01T12:00:00.001Z"}, "outlook,5,1,5,0,"},
		"other resource":  {[]string{log, "--resource", "sharepoint"}, ""},
		"other policy":    {[]string{log, "--policy", "q"}, ""},
		"too early":       {[]string{log, "--to", "2026-03-01"}, ""},
		"long ago (time)": {[]string{log, "--from", "24h", "--to", "1h"}, ""},
	} {
		got := runCommand(t, reportCommand(), bytes.NewReader(content), append(test.arguments, "--format", "csv")...)
		if got.err != nil || strings.Contains(got.stdout, "outlook,") != (test.want != "") || !strings.Contains(got.stdout, test.want) {
			t.Errorf("%s: %v\n%s%s", name, got.err, got.stdout, got.stderr)
		}
		if twice := strings.Count(got.stderr, "given twice, read once"); twice > 0 != (name == "given twice") {
			t.Errorf("%s: %s", name, got.stderr)
		}
		if warned := strings.Contains(got.stderr, "fits the filters"); warned != (test.want == "") {
			t.Errorf("%s: %s", name, got.stderr)
		}
	}
}

func TestReportListsKnownGoodUsers(t *testing.T) {
	log := filepath.Join(t.TempDir(), "sign-in.log")
	signInLog(t, log, map[string]bool{"ana": true, "ben": false, "cyd": true}, 3)
	got := runCommand(t, reportCommand(), nil, log, "--known-good")
	want := "# 2 known-good users, 1 others\nusers {\n\tinclude user ana\n\tinclude user cyd\n}\n\n# Unbound requests by reason:\n"
	if got.err != nil || !strings.HasPrefix(got.stdout, want) || !strings.Contains(got.stdout, "1008  scheme_mismatch") {
		t.Errorf("%v\n%s%s", got.err, got.stdout, got.stderr)
	}
	got = runCommand(t, reportCommand(), nil, log, "--known-good", "--min-days", "4", "--format", "json")
	if report := decode[signin.ReadinessReport](t, []byte(got.stdout)); got.err != nil || len(report.KnownGood) != 0 || report.NotReady != 3 {
		t.Errorf("%v\n%s", got.err, got.stdout)
	}
}

// What the report prints is Caddyfile, whole.
func TestKnownGoodUsersLoadAsAPolicy(t *testing.T) {
	log := filepath.Join(t.TempDir(), "sign-in.log")
	signInLog(t, log, map[string]bool{"ana@contoso.example": true, "o'neil and sons": true, "ben": false}, 3)
	got := runCommand(t, reportCommand(), nil, log, "--known-good")
	policy := "policy known_good {\n" + got.stdout + "\nresources exchange\nclient_apps mobile_and_desktop\n}"
	setup{issuer: newIssuer(t), app: policy}.load(t)
}

func TestReportListsExclusionsAndWhichAreUnused(t *testing.T) {
	folder := t.TempDir()
	log, policies := filepath.Join(folder, "sign-in.log"), filepath.Join(folder, "policies.json")
	signInLog(t, log, map[string]bool{"ana": true, "glass": false}, 2)
	graph := `{"value":[{"displayName":"Exported","state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeUsers":["ben"]},"applications":{"includeApplications":["All"]}},
		"sessionControls":{"secureSignInSession":{"isEnabled":true}}}]}`
	caddyfile := "{\n\ttoken_protection {\n\t\tissuer https://login.contoso.example\n\t\tpolicies_file " + policies + `
		policy "Everybody" {
			users {
				include all
				exclude user id-glass
				exclude user cyd until 2026-12-31
				exclude group break-glass
			}
			resources exchange
		}
	}
}
mail.contoso.example {
	token_protection exchange
}
`
	for name, content := range map[string]string{"Caddyfile": caddyfile, "policies.json": graph} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range map[string]string{
		"Caddyfile": "Policy,Kind,Name,Use,Requests,LastSeen,Until\nEverybody,user,id-glass,used,10,2026-03-02T12:00:00Z,\nEverybody,user,cyd,unused,0,,2026-12-31\n" +
			"Everybody,group,break-glass,unknown,,,\nExported,user,ben,unused,0,,\n",
		"policies.json": "Policy,Kind,Name,Use,Requests,LastSeen,Until\nExported,user,ben,unused,0,,\n",
	} {
		got := runCommand(t, reportCommand(), nil, log, "--exclusions", filepath.Join(folder, file), "--format", "csv")
		if got.err != nil || got.stdout != want {
			t.Errorf("%s: %v\n%s", file, got.err, got.stdout)
		}
	}
	for file, says := range map[string]string{"none": "no such file", "sign-in.log": "sign-in.log"} {
		if got := runCommand(t, reportCommand(), nil, log, "--exclusions", filepath.Join(folder, file)); got.err == nil || !strings.Contains(got.err.Error(), says) {
			t.Errorf("%s: %v", file, got.err)
		}
	}
}

func TestReportSaysWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	log, cut, broken := filepath.Join(folder, "sign-in.log"), filepath.Join(folder, "cut.log.gz"), filepath.Join(folder, "broken.log")
	signInLog(t, log, map[string]bool{"ana": true}, 1)
	signInLog(t, cut, map[string]bool{"ana": true}, 9)
	packed, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{cut: packed[:len(packed)-12], broken: []byte("{\"ConditionalAccessPolicies\":5}\n")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct{ arguments, says string }{
		"format":   {log + " --format xml", `--format "xml": expected table, json or csv`},
		"from":     {log + " --from yesterday", `--from "yesterday": expected a time`},
		"to":       {log + " --to 7", `--to "7": expected a time`},
		"order":    {log + " --from 1h --to 2h", `expected a time after --from "1h"`},
		"equal":    {log + " --from 2026-03-04 --to 2026-03-04", "expected a time after"},
		"days":     {log + " --min-days 65", "expected 0 to 64"},
		"no file":  {folder + "/none.log", "no such file"},
		"no log":   {folder, folder + ": read "},
		"cut file": {cut, cut + ": "},
	} {
		got := runCommand(t, reportCommand(), nil, strings.Fields(test.arguments)...)
		if got.err == nil || !strings.Contains(got.err.Error(), test.says) || strings.Contains(got.stdout, "Requests") {
			t.Errorf("%s: %v\n%s", name, got.err, got.stdout)
		}
	}
	got := runCommand(t, reportCommand(), nil, log, broken)
	if got.err != nil || !strings.Contains(got.stderr, "warning: "+broken+": 1 sign-in records could not be read, the first in line 1") {
		t.Errorf("%v, %s", got.err, got.stderr)
	}
}

func TestProgressOnlyOnATerminal(t *testing.T) {
	log := filepath.Join(t.TempDir(), "sign-in.log")
	signInLog(t, log, map[string]bool{"ana": true}, 3)
	if got := runCommand(t, reportCommand(), nil, log); got.stderr != "" {
		t.Errorf("not a terminal: %q", got.stderr)
	}
	var screen bytes.Buffer
	p := progress{terminal: &screen, total: 4 << 20}
	for range 2 {
		p.shown = time.Time{}
		_, _ = p.of(bytes.NewReader(make([]byte, 1<<20))).Read(make([]byte, 1<<20))
	}
	p.end()
	if want := "\r[========                      ]  25% of 4 MB\r[===============               ]  50% of 4 MB\r\x1b[K"; screen.String() != want {
		t.Errorf("%q", &screen)
	}
	screen.Reset()
	p = progress{terminal: &screen, done: 3 << 20}
	p.show()
	if screen.String() != "\r3 MB read" {
		t.Errorf("%q", &screen)
	}
}
