// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"slices"
	"sync"
	"time"
)

// live holds the apps that run, the latest last. There are two while a
// configuration takes over from another; if it fails in that, the former goes
// on.
var live runningApps

type runningApps struct {
	mu   sync.Mutex
	apps []*App
	ever bool
}

// enter adds an app that has started.
func (l *runningApps) enter(a *App) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apps, l.ever = append(l.apps, a), true
	l.confess(time.Now())
}

// leave takes out an app that was stopped.
func (l *runningApps) leave(a *App) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confess(time.Now())
	l.apps = slices.DeleteFunc(l.apps, func(other *App) bool { return other == a })
}

// confess raises the watermarks of apps that run side by side with replay
// sets of their own: until now, each may have spent what the others do not know.
func (l *runningApps) confess(now time.Time) {
	for _, a := range l.apps {
		for _, b := range l.apps {
			a.spent.confess(b.spent, now)
		}
	}
}

// latest returns the app whose state the metrics show, nil if none runs.
func (l *runningApps) latest() *App {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.apps) == 0 {
		return nil
	}
	return l.apps[len(l.apps)-1]
}

// started reports whether any app has run in this process, so that proofs
// were spent which a new replay set does not know.
func (l *runningApps) started() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ever
}
