// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// graphPolicy is a policy as Graph exports it.
func graphPolicy(state, application string) string {
	return fmt.Sprintf(`{"@odata.type": "#microsoft.graph.conditionalAccessPolicy", "id": "4b3bbb94-3a1b-4a0b-9a2b-0c9d1c3a9f01",
		"displayName": "Token protection", "state": %q,
		"conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": [%q]}},
		"sessionControls": {"secureSignInSession": {"isEnabled": true}}}`, state, application)
}

// What the file says is in force at once; what is broken in it changes nothing.
func TestPoliciesFileIsReadAgain(t *testing.T) {
	i := newIssuer(t)
	file := filepath.Join(t.TempDir(), "policies.json")
	write(t, file, graphPolicy("enabledForReportingButNotEnforced", "exchange"))
	setup{issuer: i, app: "policies_file " + file}.load(t)
	unbound := "Bearer " + i.token(t, nil)
	expectStatus(t, send(t, request("/ews", unbound)), http.StatusOK)
	for _, step := range []struct {
		name, text string
		status     int
	}{
		{"enabled", graphPolicy("enabled", "exchange"), http.StatusUnauthorized},
		{"not JSON", graphPolicy("disabled", "exchange") + "}", http.StatusUnauthorized},
		{"a condition that is not supported", strings.Replace(graphPolicy("disabled", "exchange"), `"users"`, `"signInRiskLevels": ["high"], "users"`, 1), http.StatusUnauthorized},
		{"another state", graphPolicy("off", "exchange"), http.StatusUnauthorized},
		{"a resource that nothing protects", graphPolicy("disabled", "wikki"), http.StatusUnauthorized},
		{"empty", "", http.StatusUnauthorized},
		{"disabled, in Graph's answer", `{"value": [` + graphPolicy("disabled", "exchange") + `]}`, http.StatusOK},
		{"enabled again, in a list", `[` + graphPolicy("enabled", "exchange") + `]`, http.StatusUnauthorized},
		{"none", `[]`, http.StatusOK},
	} {
		write(t, file, step.text)
		running(t).replacePolicies()
		if got := send(t, request("/ews", unbound)).Code; got != step.status {
			t.Errorf("%s: status %d, expected %d", step.name, got, step.status)
		}
	}
}

// The running server looks by itself.
func TestPoliciesFileIsFollowed(t *testing.T) {
	i := newIssuer(t)
	file := filepath.Join(t.TempDir(), "policies.json")
	write(t, file, graphPolicy("disabled", "exchange"))
	setup{issuer: i, app: "policies_file " + file}.load(t)
	expectStatus(t, send(t, request("/ews", "")), http.StatusOK)
	write(t, file, graphPolicy("enabled", "exchange"))
	deadline := time.Now().Add(20 * lookAtPolicies)
	for send(t, request("/ews", "")).Code != http.StatusUnauthorized {
		if time.Now().After(deadline) {
			t.Fatal("the change was not seen")
		}
		time.Sleep(lookAtPolicies / 20)
	}
}

// A broken file is no start: there is nothing to keep.
func TestBrokenPoliciesFileIsAnErrorAtLoad(t *testing.T) {
	i := newIssuer(t)
	directory := t.TempDir()
	for name, text := range map[string]string{
		"not JSON": "{", "twice": graphPolicy("enabled", "exchange"), "for nothing": graphPolicy("enabled", "wikki"),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(directory, "policies.json")
			write(t, file, text)
			app := "policies_file " + file
			if name == "twice" {
				app += strings.Replace(policyOn, "Pilot", `"Token protection"`, 1)
			}
			if err := (setup{issuer: i, app: app}).try(t); err == nil {
				t.Error("no error")
			}
		})
	}
	if err := (setup{issuer: i, app: "policies_file " + filepath.Join(directory, "nowhere")}).try(t); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("error %v, expected one with the path", err)
	}
}

// The policies of the file and of the configuration are in force together.
func TestPoliciesFileAddsToTheConfiguration(t *testing.T) {
	i := newIssuer(t)
	file := filepath.Join(t.TempDir(), "policies.json")
	write(t, file, graphPolicy("enabled", "sharepoint"))
	setup{issuer: i, app: policyReportOnly + "policies_file " + file, site: `
	token_protection /ews exchange {
		audience https://mail.contoso.example
	}
	token_protection /files sharepoint {
		audience https://mail.contoso.example
	}
	respond in`}.load(t)
	unbound := "Bearer " + i.token(t, nil)
	expectStatus(t, send(t, request("/ews", unbound)), http.StatusOK)
	expectStatus(t, send(t, request("/files", unbound)), http.StatusUnauthorized)
	if list := running(t).policyStatus(); len(list) != 2 || list[1].State != "on" {
		t.Errorf("status %v", list)
	}
}
