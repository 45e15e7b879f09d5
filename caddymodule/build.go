// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"runtime/debug"
	"sync"
	"time"
)

// ownModule is this module's, as go.mod has it.
const ownModule = "github.com/tokenprotection/caddy-token-protection"

// committed is when the source was committed (RFC 3339), written by the linker
// where the toolchain cannot tell: in a release, as in what xcaddy makes, this
// module is a dependency.
var committed string

// buildFacts are what the Go toolchain wrote into the binary.
type buildFacts struct {
	version string    // "unknown" if it is not known
	built   time.Time // the commit's time; zero if it is not known
	goes    string    // Go's version
}

// build reads them once.
var build = sync.OnceValue(func() buildFacts {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return buildFacts{version: "unknown"}
	}
	return buildFactsOf(info, committed)
})

func buildFactsOf(info *debug.BuildInfo, committed string) buildFacts {
	facts := buildFacts{version: "unknown", goes: info.GoVersion}
	facts.built, _ = time.Parse(time.RFC3339, committed) // empty where nothing was written
	if info.Main.Path == ownModule && info.Main.Version != "" {
		facts.version = info.Main.Version
	}
	for _, module := range info.Deps {
		if module.Path == ownModule {
			facts.version = module.Version
		}
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.time" && info.Main.Path == ownModule {
			facts.built, _ = time.Parse(time.RFC3339, setting.Value)
		}
	}
	return facts
}
