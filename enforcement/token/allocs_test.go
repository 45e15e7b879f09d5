// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package token

import (
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// The race detector's own allocations would be counted too: hence the build constraint.
func TestAHitAllocatesNothing(t *testing.T) {
	v, _, raw := remembering(t, IssuerConfig{Issuer: contoso})
	hosts := Audience{Host: "mail.contoso.example:8443"}
	for name, audience := range map[string]Audience{"names": forMail, "host": hosts} {
		if got := testing.AllocsPerRun(100, func() {
			if _, why := v.Verify(raw, audience, now); why != reason.None {
				t.Fatal(why)
			}
		}); got != 0 {
			t.Errorf("audience by %s: %v allocations", name, got)
		}
	}
}
