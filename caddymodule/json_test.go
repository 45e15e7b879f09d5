// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// loadJSON validates an app, and with it a handler if there is one.
func loadJSON(t testing.TB, app, handler string) error {
	t.Helper()
	apps := caddy.ModuleMap{}
	if app != "" {
		apps["token_protection"] = []byte(app)
	}
	if handler != "" {
		apps["http"] = []byte(`{"servers":{"s":{"listen":["unix/` + t.TempDir() + `/s.sock"],"automatic_https":{"disable":true},"routes":[{"handle":[` + handler + `]}]}}}`)
	}
	return caddy.Validate(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}, AppsRaw: apps})
}

const (
	minimalApp     = `{"issuer":[{"issuer":"https://login.contoso.example"}]}`
	minimalHandler = `{"handler":"token_protection","resource":"exchange"}`
)

func TestJSONNamesAreTheSubDirectives(t *testing.T) {
	secret := strings.Repeat("s", minSecret)
	app := `{"issuer":[{"issuer":"https://login.contoso.example","jwks_url":"https://login.contoso.example/keys","algorithms":["ES256"],
		"token_types":["at+jwt"],"claim":{"user":["upn"]}}],"proof":{"max_age":"30s","clock_skew":0,"algorithms":["ES256"],"nonce":"required",
		"nonce_secret":["` + secret + `"]},"replay":{"store":"memory","max_entries":10,"max_per_key":5},"cache":{"tokens":1,"device_keys":1},
		"sign_in_log":{"interval":0}}`
	handler := `{"handler":"token_protection","resource":"exchange","display_name":"Mail","app_id":"1","audience":["a"],"proofs":["dpop"],
		"exempt":["/x"],"public_url":"https://mail.contoso.example","anonymous":"allow","forward":"none","realm":"r"}`
	if err := loadJSON(t, app, handler); err != nil {
		t.Error(err)
	}
	if err := loadJSON(t, minimalApp, minimalHandler); err != nil {
		t.Error(err)
	}
}

func TestJSONMistakesAreNamed(t *testing.T) {
	app := func(members string) string {
		return `{"issuer":[{"issuer":"https://login.contoso.example"}],` + members + `}`
	}
	issuer := func(members string) string {
		return `{"issuer":[{"issuer":"https://login.contoso.example",` + members + `}]}`
	}
	asked := func(scheme, members string) string {
		return `"introspection":{"url":"` + scheme + `://login.contoso.example/introspect","client_id":"caddy",` + members + `}`
	}
	handler := func(members string) string {
		return `{"handler":"token_protection","resource":"exchange",` + members + `}`
	}
	tests := []struct {
		app, handler string
		says         string
	}{
		{app: `{}`, says: "issuer: none is configured"},
		{app: app(`"policies":[]`), says: `unknown field "policies"`},
		{app: app(`"device_directory":{}`), says: `device_directory: "" is not known; expected one of file, http, ldap`},
		{app: app(`"device_directory":{"source":"file","path":"x","url":"https://y"}`), says: "url: not for a directory in \"file\""},
		{app: app(`"requirements":{}`), says: "requirements: expected either a profile or a file"},
		{app: app(`"proof":{"age":1}`), says: `unknown field "age"`},
		{app: app(`"replay":{"size":1}`), says: `unknown field "size"`},
		{app: app(`"cache":{"keys":1}`), says: `unknown field "keys"`},
		{app: app(`"sign_in_log":{"file":"x"}`), says: `unknown field "file"`},
		{app: issuer(`"introspection":{}`), says: "client_id is missing"},
		{app: issuer(`"introspection":{"secret":"x"}`), says: `unknown field "secret"`},
		{app: issuer(asked("https", `"client_secret":"s"`) + `,"jwks_url":"x"`), says: "https"},
		{app: issuer(asked("https", `"x":1`)), says: `unknown field "x"`},
		{app: issuer(asked("https", `"client_key":"k"`)), says: "either client_secret or client_certificate"},
		{app: issuer(asked("https", `"client_secret":"s","client_certificate":"c","client_key":"k"`)), says: "either client_secret or client_certificate"},
		{app: issuer(asked("https", `"client_secret":"s","client_key":"k"`)), says: "a certificate file and a key file"},
		{app: issuer(asked("https", `"client_certificate":"c"`)), says: "a certificate file and a key file"},
		{app: issuer(asked("http", `"client_secret":"s"`)), says: `introspection "http://login.contoso.example/introspect": expected an absolute https URL`},
		{app: issuer(asked("https", `"client_certificate":"/nonexistent","client_key":"k"`)), says: "client_certificate /nonexistent k: open /nonexistent"},
		{app: issuer(asked("https", `"client_certificate":"json_test.go","client_key":"json_test.go"`)), says: "expected PEM files with a certificate and its key"},
		{app: issuer(asked("https", `"client_secret":"{env.NOT_SET_FOR_THE_TESTS}"`)), says: "client_secret: unknown or empty placeholder"},
		{app: issuer(`"jwks_url":"a","jwks_file":"b"`), says: "jwks_url and jwks_file exclude each other"},
		{app: issuer(`"jwks_url":"http://login.contoso.example"`), says: "https"},
		{app: issuer(`"jwks_file":"/nonexistent"`), says: "/nonexistent"},
		{app: issuer(`"algorithms":["HS256"]`), says: `algorithms: "HS256"`},
		{app: issuer(`"token_types":["id"]`), says: `token type "id"`},
		{app: issuer(`"claim":{"mail":["email"]}`), says: `claim "mail": expected one of user, user_id`},
		{app: `{"issuer":[{"issuer":"http://login.contoso.example"}]}`, says: "https"},
		{app: `{"issuer":[{"issuer":"https://a.example"},{"issuer":"https://a.example"}]}`, says: "twice"},
		{app: app(`"proof":{"max_age":"2h"}`), says: "max_age: 2h0m0s is out of range"},
		{app: app(`"proof":{"max_age":-1}`), says: "max_age: -1ns is out of range"},
		{app: app(`"proof":{"clock_skew":"-1s"}`), says: "clock_skew: -1s is out of range"},
		{app: app(`"proof":{"nonce":"always"}`), says: `nonce: "always" is not known`},
		{app: app(`"proof":{"nonce_secret":["short"]}`), says: "number 1 is 5 characters long"},
		{app: app(`"proof":{"algorithms":["none"]}`), says: `algorithms: "none"`},
		{app: app(`"replay":{"store":"redis"}`), says: "the URL is missing"},
		{app: app(`"replay":{"url":"redis://a"}`), says: "expected the store redis"},
		{app: app(`"replay":{"store":"redis","url":"redis://a","on_outage":"x"}`), says: `on_outage "x" is not known`},
		{app: app(`"replay":{"store":"redis","url":"redis://a","consistency":"x"}`), says: `consistency "x" is not known`},
		{app: app(`"replay":{"store":"redis","url":"redis://a","cluster":true,"sentinel":"x"}`), says: "exclude each other"},
		{app: app(`"replay":{"store":"redis","url":"rediss://a","ca":["/nonexistent"]}`), says: "a PEM file that can be read"},
		{app: app(`"replay":{"store":"redis","url":"redis://u:{env.NOT_SET_ANYWHERE}@a"}`), says: "unknown or empty placeholder"},
		{app: app(`"replay":{"max_entries":-1,"max_per_key":-2}`), says: "max_per_key: -2 is not a positive number"},
		{app: app(`"cache":{"tokens":-1,"device_keys":-1}`), says: "device_keys: -1 is not a positive number"},
		{app: app(`"sign_in_log":{"interval":"-1m"}`), says: "interval: -1m0s is negative"},
		{app: app(`"policy":[{"displayName":"P"}]`), says: `policy "P": conditions.users.includeUsers`},
		{handler: minimalHandler, says: "the token_protection app is not configured"},
		{app: minimalApp, handler: handler(`"scope":"x"`), says: `unknown field "scope"`},
		{app: minimalApp, handler: `{"handler":"token_protection"}`, says: "resource: missing"},
		{app: minimalApp, handler: handler(`"proofs":["dbsc"]`), says: "dbsc: missing"},
		{app: minimalApp, handler: handler(`"proofs":["kerberos"]`), says: `proofs: "kerberos" is not known`},
		{app: minimalApp, handler: handler(`"mtls":{"ca":[]}`), says: `unknown field "ca"`},
		{app: minimalApp, handler: handler(`"mtls":{"forwarded":[{"encoding":"nginx","from":["10.0.0.1"]}]}`), says: `forwarded "nginx": expected one of`},
		{app: minimalApp, handler: handler(`"mtls":{"forwarded":[{"encoding":"xfcc"}]}`), says: "from is missing"},
		{app: minimalApp, handler: handler(`"mtls":{"forwarded":[{"encoding":"xfcc","from":["proxy"]}]}`), says: `from: "proxy" is not an address`},
		{app: minimalApp, handler: handler(`"mtls":{"forwarded":[{"encoding":"xfcc","from":["::1"],"require_value":"yes"}]}`), says: `require_header "" with require_value "yes"; expected both or neither`},
		{app: minimalApp, handler: handler(`"mtls":{"forwarded":[{"encoding":"xfcc","from":["::1"],"require_header":"X"}]}`), says: "expected both or neither"},
		{app: minimalApp, handler: handler(`"mtls":{"device_certificate":{}}`), says: "ca is missing"},
		{app: minimalApp, handler: handler(`"mtls":{"device_certificate":{"ca":["testdata/device_ca.pem"],"device_id":"serial"}}`), says: `device_id: "serial" is not known`},
		{app: minimalApp, handler: handler(`"pop":{"nonce":"always"}`), says: `nonce: "always" is not known`},
		{app: minimalApp, handler: handler(`"pop":{"demand":["cookies"]}`), says: `demand: "cookies" is not known`},
		{app: minimalApp, handler: handler(`"exempt":["x"]`), says: `exempt path "x"`},
		{app: minimalApp, handler: handler(`"public_url":"x"`), says: `public_url: "x"`},
		{app: minimalApp, handler: handler(`"public_url":"https://u:p@x"`), says: "userinfo is not allowed"},
		{app: minimalApp, handler: handler(`"anonymous":"x"`), says: `anonymous: "x" is not known`},
		{app: minimalApp, handler: handler(`"forward":"x"`), says: `forward: "x" is not known`},
		{app: minimalApp, handler: handler(`"audience":[""]`), says: "audience: empty value"},
		{app: minimalApp, handler: handler(`"realm":"a\nb"`), says: "realm:"},
	}
	for _, test := range tests {
		err := loadJSON(t, test.app, test.handler)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s %s: %v, expected %q", test.app, test.handler, err, test.says)
		}
	}
}

// A literal secret may look like a placeholder; no error shows a part of it.
func TestSecretsAreNotInErrors(t *testing.T) {
	for name, app := range map[string]string{
		"client_secret": `{"issuer":[{"issuer":"https://login.contoso.example","introspection":{"url":"https://login.contoso.example/introspect",
			"client_id":"caddy","client_secret":"cor{rect}-ho{rse"}}]}`,
		"client_secret and the wrong URL": `{"issuer":[{"issuer":"https://login.contoso.example","introspection":{"url":"https://cor:rect@login.contoso.example/",
			"client_id":"caddy","client_secret":"ho{rse"}}]}`,
		"nonce_secret": `{"issuer":[{"issuer":"https://login.contoso.example"}],"proof":{"nonce_secret":["cor{rect}-horse-cor{rect}-horse-0000"]}}`,
	} {
		err := loadJSON(t, app, "")
		if err == nil || !strings.Contains(err.Error(), "expected") {
			t.Fatalf("%s: %v", name, err)
		}
		for _, part := range []string{"rect", "rse"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q in %v", name, part, err)
			}
		}
	}
	escaped := `{"issuer":[{"issuer":"https://login.contoso.example"}],"proof":{"nonce_secret":["cor\\{rect}-horse-cor\\{rect}-horse-0000"]}}`
	if err := loadJSON(t, escaped, ""); err != nil {
		t.Errorf("with its braces escaped: %v", err)
	}
}

// All mistakes of an app are reported at once.
func TestJSONMistakesAreReportedTogether(t *testing.T) {
	err := loadJSON(t, `{"proof":{"max_age":"2h","nonce":"always"},"replay":{"max_entries":-1}}`, "")
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"issuer:", "max_age:", "nonce:", "max_entries:"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not reported in %v", part, err)
		}
	}
}

// A policy exported from Entra loads as it is; what it cannot mean here is refused.
func TestExportedPolicyLoadsAsItIs(t *testing.T) {
	exported, err := os.ReadFile("testdata/exported_policy.json")
	if err != nil {
		t.Fatal(err)
	}
	with := func(change string) string {
		old, replacement, _ := strings.Cut(change, " -> ")
		policy := strings.Replace(string(exported), old, replacement, 1)
		if change != "" && policy == string(exported) {
			t.Fatalf("%s: nothing to change", change)
		}
		return `{"issuer":[{"issuer":"https://login.contoso.example"}],"policy":[` + policy + `]}`
	}
	if err := loadJSON(t, with(""), minimalHandler); err != nil {
		t.Fatal(err)
	}
	for change, says := range map[string]string{
		`"locations": null -> "locations": {"includeLocations": ["Berlin"]}`:                             "conditions.locations",
		`"userRiskLevels": [] -> "userRiskLevels": ["high"]`:                                             "conditions.userRiskLevels",
		`"grantControls": null -> "grantControls": {"operator": "OR", "builtInControls": ["block"]}`:     "grantControls",
		`"isEnabled": true -> "isEnabled": false`:                                                        "secureSignInSession",
		`"displayName" -> "DisplayName"`:                                                                 `must be written "displayName"`,
		`"state": "enabledForReportingButNotEnforced" -> "state": "on"`:                                  `"on" is not a state`,
		`"state": "enabledForReportingButNotEnforced" -> "state": "enabled", "state": "disabled"`:        "given twice",
		`"windows" -> "Windows"`:                                                                         `"Windows" is unknown`,
		`"templateId": null -> "sessionLifetime": 5`:                                                     "sessionLifetime",
		`"00000003-0000-0ff1-ce00-000000000000" -> "All"`:                                                "",
		`"00000003-0000-0ff1-ce00-000000000000" -> "all"`:                                                `must be written "All"`,
		`"includeGroups": ["3f1b8a52-6c9e-4d0a-8f0b-7d2c4e6a8b11"] -> "includeGroups": []`:               "includes nobody",
		`"excludeUsers": ["0c5f5c1f-2b2e-4b53-a6a9-5a6d3f0e9b01"] -> "excludeUsers": ["All"]`:            "would exclude everything",
		`"id": "6b5e2a43-0d0c-4d5e-9a52-2b1a8f1e7c10" -> "id": ["6b5e2a43-0d0c-4d5e-9a52-2b1a8f1e7c10"]`: "id",
	} {
		err := loadJSON(t, with(change), minimalHandler)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, expected %q", change, err, says)
		}
	}
}
