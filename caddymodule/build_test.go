// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"runtime/debug"
	"testing"
	"time"
)

// The module is the main one in our own binary, and a dependency in one that xcaddy made.
func TestBuildFactsOfBothKindsOfBinary(t *testing.T) {
	committed := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	settings := []debug.BuildSetting{{Key: "vcs.time", Value: "2026-11-20T10:00:00Z"}}
	for name, test := range map[string]struct {
		info      *debug.BuildInfo
		committed string
		want      buildFacts
	}{
		"own":     {&debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Path: ownModule, Version: "v1.2.3"}, Settings: settings}, "", buildFacts{"v1.2.3", committed, "go1.26"}},
		"xcaddy":  {&debug.BuildInfo{Main: debug.Module{Path: "caddy"}, Deps: []*debug.Module{{Path: "a"}, {Path: ownModule, Version: "v1.2.3"}}, Settings: []debug.BuildSetting{{Key: "vcs.time", Value: "2020-01-01T00:00:00Z"}}}, "2026-11-20T10:00:00Z", buildFacts{version: "v1.2.3", built: committed}},
		"unknown": {&debug.BuildInfo{Main: debug.Module{Path: "caddy", Version: "v9"}}, "", buildFacts{version: "unknown"}},
	} {
		if got := buildFactsOf(test.info, test.committed); got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if ownModule != modulePath {
		t.Errorf("the module is called %s", ownModule)
	}
}
