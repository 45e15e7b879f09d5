// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"net/http"
	"testing"
)

// A proof passes exactly if it names the URL that the client addressed,
// whatever stands between the client and the handler.
func TestProofNamesTheURLThatTheClientAddressed(t *testing.T) {
	protect := func(extra string) string {
		return "token_protection exchange {\n\t\taudience https://mail.contoso.example\n\t\t" + extra + "\n\t}\n"
	}
	const trusted = "servers {\n\t\ttrusted_proxies static 10.0.0.0/8\n\t}"
	forwarded := func(proto, host string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("X-Forwarded-Proto", proto)
			r.Header.Set("X-Forwarded-Host", host)
		}
	}
	fromProxy := func(change func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr = "10.0.0.1:1234"; change(r) }
	}
	overTLS := func(r *http.Request) { r.TLS = &tls.ConnectionState{HandshakeComplete: true} }
	tests := []struct {
		name          string
		options, site string
		path          string
		change        func(*http.Request)
		passes, fails string
	}{
		{name: "plain", passes: "http://mail.contoso.example/ews", fails: "https://mail.contoso.example/ews"},
		{name: "case and default port", passes: "HTTP://Mail.Contoso.EXAMPLE:80/ews", fails: "http://mail.contoso.example:8080/ews"},
		{name: "path case", passes: "http://mail.contoso.example/ews", fails: "http://mail.contoso.example/EWS"},
		{name: "trailing slash", passes: "http://mail.contoso.example/ews", fails: "http://mail.contoso.example/ews/"},
		{name: "encoding", path: "/e%77s/%e2%82%ac", passes: "http://mail.contoso.example/ews/%E2%82%AC", fails: "http://mail.contoso.example/ews"},
		{name: "encoded slash", path: "/a%2fb", passes: "http://mail.contoso.example/a%2Fb", fails: "http://mail.contoso.example/a/b"},
		{name: "tls", change: overTLS, passes: "https://mail.contoso.example/ews", fails: "http://mail.contoso.example/ews"},
		{name: "untrusted peer", options: trusted, change: forwarded("https", "evil.example"),
			passes: "http://mail.contoso.example/ews", fails: "https://evil.example/ews"},
		{name: "untrusted peer without any trusted", change: fromProxy(forwarded("https", "evil.example")),
			passes: "http://mail.contoso.example/ews", fails: "https://evil.example/ews"},
		{name: "trusted peer", options: trusted, change: fromProxy(forwarded("https", "outer.example")),
			passes: "https://outer.example/ews", fails: "http://mail.contoso.example/ews"},
		{name: "trusted peer, scheme in capitals", options: trusted, change: fromProxy(forwarded("HTTPS", "outer.example:443")),
			passes: "https://outer.example/ews", fails: "http://outer.example/ews"},
		{name: "trusted peer, nothing forwarded", options: trusted, change: fromProxy(overTLS),
			passes: "https://mail.contoso.example/ews", fails: "http://mail.contoso.example/ews"},
		{name: "public url", site: "public_url https://outer.example", passes: "https://outer.example/ews", fails: "http://mail.contoso.example/ews"},
		{name: "public url beats trusted peer", options: trusted, site: "public_url https://outer.example:8443/", change: fromProxy(forwarded("http", "inner.example")),
			passes: "https://outer.example:8443/ews", fails: "http://inner.example/ews"},
		{name: "public url with prefix", site: "public_url https://outer.example/mail/", passes: "https://outer.example/mail/ews", fails: "https://outer.example/ews"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			i, device := newIssuer(t), newDevice(t)
			setup{issuer: i, app: policyOn, options: test.options, site: protect(test.site) + "\trespond in"}.load(t)
			if test.path == "" {
				test.path = "/ews"
			}
			for url, status := range map[string]int{test.passes: http.StatusOK, test.fails: http.StatusUnauthorized} {
				r := request(test.path, "")
				if test.change != nil {
					test.change(r)
				}
				answer := send(t, prove(t, r, device, i.token(t, confirmedBy(device)), url))
				if answer.Code != status {
					t.Errorf("%s: status %d, expected %d", url, answer.Code, status)
				}
			}
		})
	}
}

// What a trusted proxy forwards beyond one value came from the client: a list
// names no one URL.
func TestListsOfForwardedValuesNameNoURL(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn, options: "servers {\n\t\ttrusted_proxies static 10.0.0.0/8\n\t}"}.load(t)
	for _, hosts := range [][]string{{"evil.example, outer.example"}, {"evil.example", "outer.example"}} {
		for _, url := range []string{"https://evil.example/ews", "https://outer.example/ews", "https://mail.contoso.example/ews"} {
			r := request("/ews", "")
			r.RemoteAddr = "10.0.0.1:1234"
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header["X-Forwarded-Host"] = hosts
			expectStatus(t, send(t, prove(t, r, device, i.token(t, confirmedBy(device)), url)), http.StatusUnauthorized)
		}
	}
}

// The directive runs after rewriting: the URL that was addressed is the original.
func TestProofNamesTheOriginalURLBehindRewrites(t *testing.T) {
	const inner = "token_protection exchange {\n\t\taudience https://mail.contoso.example\n\t}\n\trespond {uri}"
	for name, site := range map[string]string{
		"strip_prefix": "uri strip_prefix /outer\n\t" + inner,
		"rewrite":      "rewrite * /inner\n\t" + inner,
		"handle_path":  "handle_path /outer/* {\n\t" + inner + "\n\t}",
	} {
		t.Run(name, func(t *testing.T) {
			i, device := newIssuer(t), newDevice(t)
			setup{issuer: i, app: policyOn, site: site}.load(t)
			answer := send(t, proven(t, i, device, "/outer/inner"))
			expectStatus(t, answer, http.StatusOK)
			if body := answer.Body.String(); body != "/inner" {
				t.Fatalf("nothing was rewritten: %q", body)
			}
			r := prove(t, request("/outer/inner", ""), device, i.token(t, confirmedBy(device)), "http://mail.contoso.example/inner")
			expectStatus(t, send(t, r), http.StatusUnauthorized)
		})
	}
}

// Both the path that was sent and the one that is forwarded count.
func TestExemptPathsAreCanonical(t *testing.T) {
	i := newIssuer(t)
	setup{issuer: i, app: policyOn, site: `
	rewrite /washed /public/x
	token_protection exchange {
		exempt /healthz /public/*
	}
	respond in`}.load(t)
	for path, status := range map[string]int{
		"/healthz": 200, "/public/x": 200, "/public/": 200, "/%70ublic/x": 200, "/public/a/../b": 200, "/washed": 200,
		"/HEALTHZ": 401, "/healthz/": 401, "/public": 401, "/public/../owa": 401, "/public/..%2fowa": 401, "/public;x/y": 401,
		"/public/%2e%2e/owa": 401, "/public%2fx": 401, "/public//x": 401, "/public/x.": 401, "/public/%252e": 401, `/public/a\b`: 401,
		"/owa": 401,
	} {
		r := request("/", "")
		r.RequestURI, r.URL.Path = path, path
		if parsed, err := r.URL.Parse(path); err == nil {
			r.URL.Path, r.URL.RawPath = parsed.Path, parsed.RawPath
		}
		if answer := send(t, r); answer.Code != status {
			t.Errorf("%s: status %d, expected %d", path, answer.Code, status)
		}
	}
	r := request("/public/x", "")
	r.RequestURI = "/public/x#y"
	expectStatus(t, send(t, r), http.StatusUnauthorized)
}

// A token for the host that was addressed, or for the application id.
func TestDefaultAudience(t *testing.T) {
	const exchangeID = "00000002-0000-0ff1-ce00-000000000000"
	tests := []struct {
		site, audience string
		status         int
	}{
		{"", "https://mail.contoso.example", 200},
		{"", "https://mail.contoso.example/", 200},
		{"", exchangeID, 200},
		{"", "https://files.contoso.example", 401},
		{"app_id own", exchangeID, 401},
		{"app_id own", "own", 200},
		{"audience api://mail", "https://mail.contoso.example", 401},
		{"audience api://mail", "api://mail", 200},
		{"public_url http://mail.contoso.example", "http://mail.contoso.example/", 200},
		{"public_url http://mail.contoso.example", exchangeID, 200},
		{"public_url http://mail.contoso.example", "https://mail.contoso.example", 401},
	}
	for _, test := range tests {
		i, device := newIssuer(t), newDevice(t)
		setup{issuer: i, app: policyOn, site: "token_protection exchange {\n\t" + test.site + "\n\t}\n\trespond in"}.load(t)
		claims := confirmedBy(device)
		claims["aud"] = test.audience
		r := prove(t, request("/ews", ""), device, i.token(t, claims), "http://mail.contoso.example/ews")
		if answer := send(t, r); answer.Code != test.status {
			t.Errorf("%q, aud %s: status %d, expected %d", test.site, test.audience, answer.Code, test.status)
		}
	}
}
