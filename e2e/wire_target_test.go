// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestExemptsNoAmbiguousPath: /public/* and /healthz need no token, and no
// other spelling of anything is taken for them.
func TestExemptsNoAmbiguousPath(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for target, exempt := range map[string]bool{
		"/public/a":                             true,
		"/public/":                              true,
		"/public/%61":                           true,
		"/public/a?x=/owa":                      true,
		"/public/./a":                           true,
		"/public/b/../a":                        true,
		"/healthz":                              true,
		"/healthz?deep":                         true,
		"https://mail.example/public/a":         true,
		"/public":                               false,
		"/publicity":                            false,
		"/Public/a":                             false,
		"/healthz/":                             false,
		"/healthz/x":                            false,
		"/healthz%2f..%2fowa":                   false,
		"/HEALTHZ":                              false,
		"/public/../owa":                        false,
		"/public/%2e%2e/owa":                    false,
		"/public/%2E./owa":                      false,
		"/public/..%2fowa":                      false,
		"/public/%2e%2e%2fowa":                  false,
		"/public/%252e%252e/owa":                false,
		`/public/..\owa`:                        false,
		"/public/..%5cowa":                      false,
		"/public/..;/owa":                       false,
		"/public/;/../../owa":                   false,
		"/public/a;b":                           false,
		"/public/a%3bb":                         false,
		"/public//../owa":                       false,
		"//public/a":                            false,
		"/public%2fa":                           false,
		"/public/a%00":                          false,
		"/public/a%0a":                          false,
		"/public/a.":                            false,
		"/public/a%20":                          false,
		"/public/.../owa":                       false,
		"/public/%ff":                           false,
		"/public/%c0%ae%c0%ae/owa":              false,
		"/public/\uff0e\uff0e/owa":              false,
		"/public/%ef%bc%8e%ef%bc%8e/owa":        false,
		"/public/a#/owa":                        false,
		"/public#/a":                            false,
		"/x/../public/../owa":                   false,
		"https://mail.example/public/../owa":    false,
		"https://mail.example:443/public/..;/x": false,
	} {
		t.Run(target, func(t *testing.T) {
			id := harness.NewID()
			got := server.Raw(t, id, wire(id, "GET "+target+" HTTP/1.1"))
			if passed := len(got.Arrivals()) > 0; passed != exempt || passed != (got.Status == 200) {
				t.Errorf("status %d, %d arrivals; exempt: %v", got.Status, len(got.Arrivals()), exempt)
			}
			if !exempt && got.Status != 401 && got.Status != 400 {
				t.Errorf("status %d", got.Status)
			}
		})
	}
}

// TestTargetFormsAndMethods: RFC 9112, section 3.2. The proof names the URL of
// an origin-form request for /form.
func TestTargetFormsAndMethods(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for _, test := range []struct {
		name, method, target string
		status               int
		error                string
	}{
		{"origin form", "GET", "/form", 200, ""},
		{"absolute form", "GET", "https://mail.example/form", 200, ""},
		{"absolute form with default port", "GET", "https://MAIL.example:443/form", 200, ""},
		{"absolute form, another scheme", "GET", "http://mail.example/form", 200, ""}, // the connection decides
		{"absolute form, userinfo", "GET", "https://mail.example@evil.example/form", 0, ""},
		{"absolute form, another path", "GET", "https://mail.example/other", 401, "invalid_dpop_proof"},
		{"asterisk", "OPTIONS", "*", 0, ""},                                        // net/http answers it
		{"asterisk with a method that has none", "GET", "*", 401, "invalid_token"}, // there is no URL whose host an audience could be,
		{"TRACE", "TRACE", "/form", 405, ""},
		{"TRACE in another case is another method", "Trace", "/form", 200, ""},
		{"CONNECT to an authority", "CONNECT", "mail.example:443", 405, ""},
		{"CONNECT to a path", "CONNECT", "/form", 405, ""},
		{"a method that nobody knows", "FROBNICATE", "/form", 200, ""},
		{"a method override changes nothing", "POST", "/form", 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := harness.NewID()
			fields := append(credentials(t, server, test.method, "/form"), "X-HTTP-Method-Override: DELETE", "Connection: close")
			got := server.Raw(t, id, wire(id, test.method+" "+test.target+" HTTP/1.1", fields...))
			if test.status == 0 { // not for the site: nothing comes back
				if len(got.Arrivals()) > 0 || got.Body != "" {
					t.Errorf("status %d, %d arrivals, body %q", got.Status, len(got.Arrivals()), got.Body)
				}
				return
			}
			if got.Status != test.status || got.Error != test.error {
				t.Errorf("status %d, error %q; want %d, %q", got.Status, got.Error, test.status, test.error)
			}
			if passed := len(got.Arrivals()) == 1; passed != (test.status == 200) {
				t.Errorf("%d arrivals", len(got.Arrivals()))
			}
		})
	}
}

// TestHostSpellings: the host counts in normal form (RFC 3986, section 6.2.2),
// and only the site's own.
func TestHostSpellings(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for host, status := range map[string]int{
		"mail.example":      200,
		"MAIL.Example":      200,
		"mail.example:443":  200,
		"mail.example:8443": 401, // another origin than the proof's
		"mail.example:0443": 401,
		"mail.example.":     0, // not the site's name
		"evil.example":      0,
		"localhost:2019":    0,
		"127.0.0.1":         0,
		"":                  0,
	} {
		t.Run(host, func(t *testing.T) {
			id := harness.NewID()
			text := "GET /host HTTP/1.1\r\nHost: " + host + "\r\n" + harness.IDHeader + ": " + id + "\r\n"
			for _, field := range credentials(t, server, "GET", "/host") {
				text += field + "\r\n"
			}
			got := server.Raw(t, id, text+"\r\n")
			if passed := len(got.Arrivals()) == 1; passed != (status == 200) {
				t.Errorf("%d arrivals", len(got.Arrivals()))
			}
			if status != 0 && got.Status != status || status == 0 && got.Body != "" {
				t.Errorf("status %d, body %q; want %d", got.Status, got.Body, status)
			}
		})
	}
}
