// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

const proxied = `
	token_protection exchange {
		audience https://mail.contoso.example
		FORWARD
	}
	reverse_proxy BACKEND {
		header_up X-User {http.token_protection.user}
		header_up X-Device {http.token_protection.device_id}
		header_up X-Scheme {http.token_protection.scheme}
		header_up X-Thumbprint {http.token_protection.thumbprint}
		header_up X-Status {http.token_protection.status}
		header_up X-Code {http.token_protection.code}
		header_up X-Decision {http.token_protection.decision}
		header_up X-Correlation {http.token_protection.correlation_id}
	}`

func proxiedTo(b *backend, forward string) string {
	return strings.NewReplacer("BACKEND", b.address, "FORWARD", forward).Replace(proxied)
}

func TestForwardSaysHowTheTokenGoesOn(t *testing.T) {
	for _, policies := range []string{policyOn, policyReportOnly} {
		for _, forward := range []string{"", "forward unchanged", "forward bearer", "forward none"} {
			i, device, b := newIssuer(t), newDevice(t), newBackend(t)
			setup{issuer: i, app: policies, site: proxiedTo(b, forward)}.load(t)
			r := proven(t, i, device, "/ews")
			sent := r.Header.Clone()
			for _, name := range []string{"Secure-Session-Response", "Secure-Session-Skipped", "Sec-Secure-Session-Id"} {
				r.Header.Set(name, "x")
			}
			expectStatus(t, send(t, r), http.StatusOK)
			got := b.received(t)
			token := strings.TrimPrefix(sent.Get("Authorization"), "DPoP ")
			authorization, proofs := []string{"DPoP " + token}, 4
			switch forward {
			case "forward bearer":
				authorization, proofs = []string{"Bearer " + token}, 0
			case "forward none":
				authorization, proofs = nil, 0
			}
			if !slices.Equal(got["Authorization"], authorization) {
				t.Errorf("%q: Authorization %q", forward, got["Authorization"])
			}
			found := 0
			for _, name := range []string{"Dpop", "Secure-Session-Response", "Secure-Session-Skipped", "Sec-Secure-Session-Id"} {
				found += len(got[name])
			}
			if found != proofs {
				t.Errorf("%q: %d headers of proofs, expected %d", forward, found, proofs)
			}
		}
	}
}

// Without a verified token there is nothing to translate.
func TestForwardLeavesUnverifiedTokensAlone(t *testing.T) {
	i, b := newIssuer(t), newBackend(t)
	setup{issuer: i, app: policyReportOnly, site: proxiedTo(b, "forward none")}.load(t)
	expectStatus(t, send(t, request("/ews", "Basic YTpi")), http.StatusOK)
	if got := b.received(t).Get("Authorization"); got != "Basic YTpi" {
		t.Errorf("Authorization %q", got)
	}
}

func TestHostileHeadersNeverPassAnEnforcingResource(t *testing.T) {
	hostile := http.Header{
		"Client-Cert": {":AA==:"}, "Client-Cert-Chain": {":AA==:"}, "X-Forwarded-Client-Cert": {"Hash=1"}, "X-Arr-Clientcert": {"A"},
		"X-Ssl-Client-Cert": {"A"}, "X-Amzn-Mtls-Clientcert": {"A"}, "Early-Data": {"1"}, "Sec-Token-Binding": {"A"},
		"X-Ms-Refreshtokencredential": {"secret"}, "X-Ms-Refreshtokencredential1": {"secret"}, "X-Ms-Devicecredential": {"secret"},
		"Cookie": {"a=1; x-ms-RefreshTokenCredential=secret; b=2", "X-MS-DeviceCredential1=secret"},
	}
	for _, test := range []struct {
		policies  string
		enforcing bool
	}{{policyOn, true}, {policyReportOnly, false}} {
		i, device, b := newIssuer(t), newDevice(t), newBackend(t)
		setup{issuer: i, app: test.policies, site: proxiedTo(b, "")}.load(t)
		r := proven(t, i, device, "/ews")
		for name, values := range hostile {
			r.Header[name] = slices.Clone(values)
		}
		expectStatus(t, send(t, r), http.StatusOK)
		got := b.received(t)
		for name, values := range hostile {
			want := values
			if test.enforcing {
				want = nil
				if name == "Cookie" {
					want = []string{"a=1; b=2"}
				}
			}
			if !slices.Equal(got[name], want) {
				t.Errorf("enforcing %v: %s is %q, expected %q", test.enforcing, name, got[name], want)
			}
		}
	}
}

// A connection upgraded to h2c would carry requests that nobody judges.
func TestUpgrades(t *testing.T) {
	for protocol, passes := range map[string]bool{"h2c": false, "H2C, foo": false, "websocket": true} {
		i, device, b := newIssuer(t), newDevice(t), newBackend(t)
		setup{issuer: i, app: policyOn, site: proxiedTo(b, "")}.load(t)
		r := proven(t, i, device, "/ews")
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", protocol)
		r.Header.Set("Http2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")
		expectStatus(t, send(t, r), http.StatusOK)
		if got := b.received(t).Get("Upgrade"); (got != "") != passes {
			t.Errorf("%s: the backend sees Upgrade: %q", protocol, got)
		}
	}
}

func TestPlaceholdersReachTheBackend(t *testing.T) {
	correlation := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	i, device, b := newIssuer(t), newDevice(t), newBackend(t)
	setup{issuer: i, app: policyReportOnly, site: proxiedTo(b, "")}.load(t)
	foreign := newIssuer(t).token(t, confirmedBy(device))
	tests := []struct {
		name    string
		request *http.Request
		want    map[string]string
	}{
		{"bound", proven(t, i, device, "/ews"), map[string]string{
			"X-User": "alice@contoso.example", "X-Device": "device-1", "X-Scheme": "dpop", "X-Thumbprint": device.Thumbprint(),
			"X-Status": "bound", "X-Code": "0", "X-Decision": "allow",
		}},
		{"unbound", request("/ews", "Bearer "+i.token(t, nil)), map[string]string{
			"X-User": "alice@contoso.example", "X-Device": "device-1", "X-Scheme": "", "X-Thumbprint": "",
			"X-Status": "unbound", "X-Code": "1002", "X-Decision": "allow",
		}},
		{"stolen", request("/ews", "Bearer "+i.token(t, confirmedBy(device))), map[string]string{
			"X-User": "alice@contoso.example", "X-Scheme": "", "X-Thumbprint": "", "X-Status": "unbound", "X-Code": "1008", "X-Decision": "allow",
		}},
		{"forged: no identity from claims that are not verified", request("/ews", "Bearer "+foreign), map[string]string{
			"X-User": "", "X-Device": "", "X-Scheme": "", "X-Thumbprint": "", "X-Status": "unbound", "X-Code": "1005", "X-Decision": "allow",
		}},
		{"no credential", request("/ews", ""), map[string]string{
			"X-User": "", "X-Device": "", "X-Status": "unbound", "X-Code": "1002", "X-Decision": "allow",
		}},
		// RFC 9110, section 7.6.1: what Connection names is dropped, except what header_up sets afterwards.
		{"connection names a placeholder's header", func() *http.Request {
			r := proven(t, i, device, "/ews")
			r.Header.Set("Connection", "close, X-Device, X-User")
			return r
		}(), map[string]string{"X-User": "alice@contoso.example", "X-Device": "device-1"}},
		{"client sends the header itself", func() *http.Request {
			r := request("/ews", "")
			r.Header.Set("X-User", "admin@contoso.example")
			return r
		}(), map[string]string{"X-User": ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			expectStatus(t, send(t, test.request), http.StatusOK)
			got := b.received(t)
			for name, value := range test.want {
				if strings.Join(got[name], "|") != value {
					t.Errorf("%s: %q, expected %q", name, got[name], value)
				}
			}
			if id := got.Get("X-Correlation"); !correlation.MatchString(id) {
				t.Errorf("correlation id %q", id)
			}
		})
	}
}

func TestPlaceholdersInErrorPages(t *testing.T) {
	i := newIssuer(t)
	setup{issuer: i, app: policyOn, site: respond + `
	handle_errors {
		respond "{http.token_protection.decision} {http.token_protection.code} {http.token_protection.correlation_id}"
	}`}.load(t)
	answer := send(t, request("/ews", "Bearer "+i.token(t, jwt.MapClaims{"upn": "bob"})))
	expectStatus(t, answer, http.StatusUnauthorized)
	if body := answer.Body.String(); !regexp.MustCompile(`^block 1002 [0-9a-f-]{36}$`).MatchString(body) {
		t.Errorf("body %q", body)
	}
}

// An excluded account passes unbound; a stolen bound token is not excused by
// it, and without a credential nobody is excluded.
func TestExcludedAccountPasses(t *testing.T) {
	i := newIssuer(t)
	setup{issuer: i, app: policyOn}.load(t)
	before := counter(t, "breakglass_total")
	answer := send(t, request("/ews", "Bearer "+i.token(t, jwt.MapClaims{"oid": "break-glass"})))
	expectStatus(t, answer, http.StatusOK)
	if body := answer.Body.String(); body != "in unbound" {
		t.Errorf("body %q", body)
	}
	if after := counter(t, "breakglass_total"); after != before+1 {
		t.Errorf("counted %v, expected %v", after, before+1)
	}
	expectStatus(t, send(t, request("/ews", "")), http.StatusUnauthorized)
}

func TestAnonymousRequests(t *testing.T) {
	for _, test := range []struct {
		policies, site string
		status         int
	}{
		{policyOn, "", 401}, {policyOn, "anonymous challenge", 401}, {policyOn, "anonymous allow", 200},
		{policyReportOnly, "", 200}, {policyReportOnly, "anonymous allow", 200},
	} {
		i := newIssuer(t)
		setup{issuer: i, app: test.policies, site: "token_protection exchange {\n\t" + test.site + "\n\t}\n\trespond in"}.load(t)
		if answer := send(t, request("/ews", "")); answer.Code != test.status {
			t.Errorf("%q: status %d, expected %d", test.site, answer.Code, test.status)
		}
		if answer := send(t, request("/ews", "Bearer abc")); test.policies == policyOn && answer.Code != http.StatusUnauthorized {
			t.Errorf("%q: a bad token passes with status %d", test.site, answer.Code)
		}
	}
}
