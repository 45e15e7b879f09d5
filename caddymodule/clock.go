// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// released is when this source was, for builds that know no better.
const released = "2026-11-25T00:00:00Z"

// clockSlack is how far the clock of whoever committed may have been ahead.
const clockSlack = 24 * time.Hour

// checkClock refuses to start by a clock that is certainly wrong: proofs,
// tokens and nonces of long ago would be fresh by it.
func checkClock(now time.Time) error {
	if built := builtAt(); now.Add(clockSlack).Before(built) {
		return fmt.Errorf("clock: it says %s, and this program was made %s; expected a clock that is right", now.UTC().Format(time.RFC3339), built.UTC().Format(time.RFC3339))
	}
	return nil
}

// builtAt is a time before which this program cannot run.
var builtAt = sync.OnceValue(func() time.Time { return madeAt(build()) })

// madeAt is the latest of what is known: the time of the commit that was
// built, which `go build` notes for a main module; that in a pseudo-version,
// for a dependency; and that of the source.
func madeAt(facts buildFacts) time.Time {
	latest, _ := time.Parse(time.RFC3339, released)
	if facts.built.After(latest) {
		latest = facts.built
	}
	if at, ok := pseudoVersionTime(facts.version); ok && at.After(latest) {
		latest = at
	}
	return latest
}

// pseudoVersionTime reads the time in vX.Y.Z-yyyymmddhhmmss-commit and its
// kin: the last part but one, perhaps after a dot.
func pseudoVersionTime(version string) (time.Time, bool) {
	parts := strings.Split(version, "-")
	if len(parts) < 3 {
		return time.Time{}, false
	}
	stamp := parts[len(parts)-2]
	at, err := time.Parse("20060102150405", stamp[strings.LastIndexByte(stamp, '.')+1:])
	return at, err == nil
}
