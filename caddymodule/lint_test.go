// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

func unwise(name string) []policy.Policy {
	p := policy.Policy{DisplayName: name, State: policy.On}
	p.Conditions.Users.IncludeUsers = []string{"All"}
	p.Conditions.Applications.IncludeApplications = []string{"Office365"}
	p.SessionControls.SecureSignInSession.IsEnabled = true
	return []policy.Policy{p}
}

// A configuration is adapted, validated and loaded, and adapted again with
// each reload: its warnings come once.
func TestAdviceIsGivenOnce(t *testing.T) {
	warned.Clear()
	core, logs := observer.New(zapcore.WarnLevel)
	logger := zap.New(core)
	give := func(policies []policy.Policy) {
		set, err := policy.Compile(policies, nil)
		if err != nil {
			t.Fatal(err)
		}
		advise(logger, set, nil)
	}
	give(unwise(t.Name()))
	first := logs.TakeAll()
	if len(first) < 3 {
		t.Fatalf("warnings %v", first)
	}
	seen := make(map[string]bool)
	for _, entry := range first {
		if seen[entry.Message] || !strings.Contains(entry.Message, t.Name()) {
			t.Errorf("warning %q", entry.Message)
		}
		seen[entry.Message] = true
	}
	give(unwise(t.Name()))
	if again := logs.TakeAll(); len(again) != 0 {
		t.Errorf("again: %v", again)
	}
	give(unwise(t.Name() + " for others"))
	if other := logs.TakeAll(); len(other) != len(first) {
		t.Errorf("%d warnings for another policy, expected %d", len(other), len(first))
	}
}

func TestNoAdviceAboutPoliciesThatAreOffOrBroken(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	off, broken := unwise(t.Name()), unwise(t.Name()+" broken")
	off[0].State, broken[0].State = policy.Off, "odd"
	for _, policies := range [][]policy.Policy{off, broken} {
		a := &App{Policies: policies}
		a.logger = zap.New(core)
		if _, err := a.readRules(); (err == nil) != (policies[0].State == policy.Off) {
			t.Errorf("%s: error %v", policies[0].DisplayName, err)
		}
	}
	if logs.Len() != 0 {
		t.Errorf("warnings %v", logs.All())
	}
}

// Browsers can prove possession where the site accepts their sessions.
func TestBrowsersAreWarnedOfOnlyWhereTheyCannotProve(t *testing.T) {
	site := func(proofs string) string {
		return "mail.contoso.example {\n\ttoken_protection exchange {\n\t\tproofs " + proofs + "\n\t\tdbsc {\n\t\t\tsession_cookie sid\n\t\t}\n\t}\n}\n"
	}
	without := "mail.contoso.example {\n\ttoken_protection exchange\n}\n"
	for name, test := range map[string]struct {
		site string
		want bool
	}{"with dbsc": {site("dpop dbsc"), false}, "without": {without, true}} {
		t.Run(name, func(t *testing.T) {
			warned.Clear()
			global := oneIssuer + "\t\tpolicy " + strings.ReplaceAll(t.Name(), "/", "-") + " {\n\t\t\tusers all\n\t\t\tresources exchange\n\t\t}\n\t}\n}\n"
			if _, err := adaptFile(t, global+test.site, nil); err != nil {
				t.Fatal(err)
			}
			given := false
			warned.Range(func(text, _ any) bool {
				given = given || strings.Contains(text.(string), string(policy.BrowserWithoutDBSC))
				return true
			})
			if given != test.want {
				t.Errorf("warned: %v, expected %v", given, test.want)
			}
		})
	}
}

// A filter that nothing can answer looks stricter or laxer than it is.
func TestDeviceFilterWithoutADirectoryIsWarnedOf(t *testing.T) {
	for _, test := range []struct {
		name      string
		state     policy.State
		rule      string
		directory bool
		warnings  int
	}{
		{"filter and no directory", policy.On, "device.model -eq \"x\"", false, 1},
		{"filter and directory", policy.On, "device.model -eq \"x\"", true, 0},
		{"no filter", policy.On, "", false, 0},
		{"off", policy.Off, "device.model -eq \"x\"", false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.WarnLevel)
			policies, a := unwise(t.Name()), new(App)
			policies[0].State = test.state
			if test.rule != "" {
				policies[0].Conditions.Devices.DeviceFilter = &policy.DeviceFilter{Mode: policy.IncludeDevices, Rule: test.rule}
			}
			if test.directory {
				a.DeviceDirectory = new(DeviceDirectory)
			}
			a.adviseDevices(zap.New(core), policies)
			if logs.Len() != test.warnings {
				t.Errorf("warnings %v", logs.All())
			}
		})
	}
}

// The adapter warns too: that is where `caddy adapt` and `caddy validate` say it.
func TestAdaptingGivesAdvice(t *testing.T) {
	warned.Clear()
	s := setup{issuer: newIssuer(t), app: strings.Replace(policyOn, "Pilot", `"`+t.Name()+`"`, 1)}
	if _, err := adapt(s.caddyfile("s.sock")); err != nil {
		t.Fatal(err)
	}
	given := false
	warned.Range(func(text, _ any) bool {
		given = given || strings.Contains(text.(string), t.Name())
		return true
	})
	if !given {
		t.Error("no advice")
	}
}
