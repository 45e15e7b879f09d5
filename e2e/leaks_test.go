// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestLeaksAreFound shows that the search at the end of all tests (see
// TestMain) would find a secret, whole or in part, and nothing else.
func TestLeaksAreFound(t *testing.T) {
	world := harness.NewWorld(t)
	proof := world.Bound("GET", "/api/x", "").Header.Get("Dpop")
	key := world.K1.PrivateJWK()["d"].(string)
	for name, text := range map[string]string{
		"token":                 `{"uri":"/?access_token=` + world.AT1 + `"}`,
		"proof":                 `{"Dpop":["` + proof + `"]}`,
		"payload of a proof":    "cannot decode " + strings.Split(proof, ".")[1],
		"beginning of a secret": strings.Split(proof, ".")[2][:30] + "...",
		"private key":           "d=" + key,
	} {
		if len(harness.LeaksIn([]byte("first line\n"+text))) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if leaks := harness.LeaksIn([]byte(world.K1.Thumbprint() + " " + world.Issuer.KeyID() + " " + harness.NewID())); len(leaks) > 0 {
		t.Errorf("found what is no secret: %q", leaks)
	}
}
