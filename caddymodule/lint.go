// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// warned remembers which advice was given, so that a configuration that is
// adapted, validated and loaded does not give it three times.
var warned sync.Map

// advise logs what is legal and yet unwise about the policies. Of which
// resources accept bound sessions, dbsc knows.
func advise(logger *zap.Logger, set *policy.Set, dbsc func(resource string) bool) {
	for _, warning := range set.Lint(nil, dbsc, time.Now()) {
		warnOnce(logger, warning.String())
	}
}

// adviseDevices warns of device filters that nothing can answer.
func (a *App) adviseDevices(logger *zap.Logger, policies []policy.Policy) {
	if a.DeviceDirectory != nil {
		return
	}
	for _, p := range policies {
		if p.State != policy.Off && p.Conditions.Devices.DeviceFilter != nil {
			warnOnce(logger, fmt.Sprintf("policy %q: it has a device filter, and no device_directory is configured, so that every device is in scope", p.DisplayName))
		}
	}
}

// warnOnce logs advice that was not given before.
func warnOnce(logger *zap.Logger, text string) {
	if _, given := warned.LoadOrStore(text, true); !given {
		logger.Warn(text)
	}
}
