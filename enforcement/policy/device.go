// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/tokenprotection/caddy-token-protection/enforcement/policy/filter"

// devices is a compiled device filter.
type devices struct {
	rule    *filter.Rule
	exclude bool
}

// compileDevices compiles a filter that has been checked.
func compileDevices(f DeviceFilter) *devices {
	rule, _ := filter.Parse(f.Rule)
	return &devices{rule: rule, exclude: f.Mode == ExcludeDevices}
}

// match says whether the condition holds: what the directory could not say is in scope.
func (d *devices) match(c *Context) bool {
	return !c.DeviceKnown || d.rule.Matches(c.Device) != d.exclude
}
