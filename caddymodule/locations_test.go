// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"strings"
	"testing"
)

// A location lets unbound tokens off, and never a bound token without its
// proof: a thief may be in the office, too.
func TestLocationDecidesAboutUnboundTokens(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: `
		named_location Office {
			ranges 192.0.2.0/24
		}` + strings.Replace(policyOn, "resources exchange", "resources exchange\nlocations {\ninclude all\nexclude Office\n}", 1)}.load(t)
	unbound, bound := "Bearer "+i.token(t, nil), "Bearer "+i.token(t, confirmedBy(device))
	for _, test := range []struct {
		name, address, authorization string
		status                       int
	}{
		{"unbound, in the office", "192.0.2.7:1", unbound, http.StatusOK},
		{"unbound, elsewhere", "198.51.100.7:1", unbound, http.StatusUnauthorized},
		{"unbound, from nobody knows where", "@", unbound, http.StatusUnauthorized},
		{"bound without proof, in the office", "192.0.2.7:1", bound, http.StatusUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := request("/ews", test.authorization)
			r.RemoteAddr = test.address
			expectStatus(t, send(t, r), test.status)
		})
	}
}

// A proxy that adds to X-Forwarded-For passes on what the client wrote before
// it: that must not take anybody into the office.
func TestForwardedAddressOfTheClientsOwnIsNoLocation(t *testing.T) {
	i := newIssuer(t)
	setup{issuer: i, options: "servers {\n\t\ttrusted_proxies static 10.0.0.0/8\n\t}", app: `
		named_location Office {
			ranges 192.0.2.0/24
		}` + strings.Replace(policyOn, "resources exchange", "resources exchange\nlocations {\ninclude all\nexclude Office\n}", 1)}.load(t)
	for forwarded, status := range map[string]int{
		"192.0.2.7": http.StatusOK, "198.51.100.7": http.StatusUnauthorized, "192.0.2.7, 198.51.100.7": http.StatusUnauthorized,
	} {
		r := request("/ews", "Bearer "+i.token(t, nil))
		r.RemoteAddr = "10.0.0.1:1234"
		r.Header.Set("X-Forwarded-For", forwarded)
		expectStatus(t, send(t, r), status)
	}
}
