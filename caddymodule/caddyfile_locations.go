// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// parseNamedLocation reads a network that policies can name. Syntax:
//
//	named_location <name> {
//		id      <id>
//		ranges  <network>...
//		trusted
//	}
func (a *App) parseNamedLocation(d *caddyfile.Dispenser) error {
	start := here(d)
	if !d.NextArg() {
		return d.Err("named_location: missing argument; expected the location's name")
	}
	location := policy.NamedLocation{DisplayName: d.Val()}
	if d.NextArg() {
		return d.Errf("named_location: surplus argument %q; expected only a name, with quotes if there are spaces in it", d.Val())
	}
	if err := block(d, "named_location", map[string]parser{
		"id":      text(&location.ID, "an id"),
		"ranges":  func(d *caddyfile.Dispenser) error { return parseRanges(d, &location) },
		"trusted": present(&location.IsTrusted, "nothing after it"),
	}); err != nil {
		return err
	}
	a.NamedLocations = append(a.NamedLocations, location)
	_, err := policy.Compile(nil, nil, a.NamedLocations...) // those before were fine
	return wrap(start, err)
}

// checkLocations finds policies that name locations which are configured
// nowhere, and reports where the policy begins.
func (a *App) checkLocations() error {
	_, err := policy.Compile(a.Policies, nil, a.NamedLocations...)
	var wrong *policy.MemberError
	if !errors.As(err, &wrong) {
		return err
	}
	if place, ok := a.places[wrong.Policy]; ok {
		return place.WrapErr(err)
	}
	return err
}

func parseRanges(d *caddyfile.Dispenser, location *policy.NamedLocation) error {
	var ranges []string
	if err := list(&ranges, "networks such as 192.0.2.0/24 or 2001:db8::/32")(d); err != nil {
		return err
	}
	for _, network := range ranges {
		location.IPRanges = append(location.IPRanges, policy.IPRange{CIDRAddress: network})
	}
	return nil
}
