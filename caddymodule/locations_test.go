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
