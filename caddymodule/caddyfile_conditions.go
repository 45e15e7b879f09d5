// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy/filter"
)

// locationWords are the Caddyfile's words for Graph's.
var locationWords = map[string]string{"all": "All", "all_trusted": "AllTrusted"}

func parseLocations(conditions *policy.ConditionSet) (side, side) {
	locations := &conditions.Locations
	into := func(names *[]string) side {
		return func(_ *caddyfile.Dispenser, arguments []string) error {
			for _, name := range arguments {
				if word, ok := locationWords[name]; ok {
					name = word
				}
				*names = append(*names, name)
			}
			return nil
		}
	}
	return into(&locations.IncludeLocations), into(&locations.ExcludeLocations)
}

// parseDeviceFilter reads `device_filter include|exclude <rule>`.
func parseDeviceFilter(conditions *policy.ConditionSet) parser {
	return func(d *caddyfile.Dispenser) error {
		mode, rule := "", ""
		if err := exactly("include or exclude, and a rule in backticks", &mode, &rule)(d); err != nil {
			return err
		}
		if mode != string(policy.IncludeDevices) && mode != string(policy.ExcludeDevices) {
			return d.Errf("device_filter: %q is not known; expected include or exclude", mode)
		}
		if _, err := filter.Parse(rule); err != nil {
			return d.Errf("device_filter: %v", err)
		}
		conditions.Devices.DeviceFilter = &policy.DeviceFilter{Mode: policy.FilterMode(mode), Rule: rule}
		return nil
	}
}
