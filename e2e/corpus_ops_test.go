// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// opsCases are the ones about operating the server.
var opsCases = map[string]play{
	"OPS-001": {unit: "e2e TestNothingSecretIsInMetricsOrAdminAPI"},
	"OPS-003": {unit: "e2e TestMetricSeriesDoNotGrowWithRequests"},
	"OPS-005": {reason: "credential_missing", code: 1002, send: unproven("/devices", "/config/", "/metrics", "/debug/pprof/", "https://mail.example/config/").send},
	"OPS-014": {unit: "e2e TestReplayMemoryCannotBeTurnedOff"},

	"TIME-015": {unit: "e2e TestReloadsUnderLoadLoseAndForgetNothing"},
}

// TestReplayMemoryCannotBeTurnedOff: there is no configuration that remembers
// no proofs.
func TestReplayMemoryCannotBeTurnedOff(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for name, lines := range map[string]string{
		"off":                "replay off",
		"none":               "replay none",
		"memory of nothing":  "replay memory {\n max_entries 0\n}",
		"memory of no proof": "replay memory {\n max_per_key 0\n}",
		"less than nothing":  "replay memory {\n max_entries -1\n}",
	} {
		t.Run(name, func(t *testing.T) {
			err := server.Reload(harness.Options{App: lines})
			if err == nil || !strings.Contains(err.Error(), "replay") && !strings.Contains(err.Error(), "max_") {
				t.Errorf("loaded, or refused for another reason: %v", err)
			}
		})
	}
}
