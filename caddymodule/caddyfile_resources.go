// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
)

// naming is a line of a policy that names resources.
type naming struct {
	place *caddyfile.Dispenser
	names []string
}

// checkResources finds policies that name resources which no site protects,
// and reports the line. The global option is parsed before any site is, so it
// needs another look at the file; where there is none, as for a configuration
// that comes over the network, App.Start finds the mistake.
func (a *App) checkResources(set *policy.Set, sites protectedSites) error {
	if len(sites.resources) == 0 {
		return nil
	}
	unknown := set.UnknownResources(sites.resources)
	for _, line := range a.namings {
		for _, name := range line.names {
			if slices.Contains(unknown, name) {
				return line.place.Errf("resources: no token_protection handler protects %q; expected all, an application id, or some of %s",
					name, strings.Join(sites.names(), ", "))
			}
		}
	}
	return nil
}

// protectedSites is what the sites of a Caddyfile protect.
type protectedSites struct {
	resources []policy.Resource
	dbsc      []string // the names of those that accept bound sessions
}

// protectedIn looks at a Caddyfile and at what it imports. It finds nothing
// where there is no such file.
func protectedIn(file string) (sites protectedSites) {
	text, err := os.ReadFile(file)
	if err != nil {
		return sites
	}
	blocks, err := caddyfile.Parse(file, text)
	if err != nil {
		return sites // the adapter reports it
	}
	for _, block := range blocks {
		for _, segment := range block.Segments {
			sites.add(segment)
		}
	}
	return sites
}

// add notes what a segment protects, by name and by application id. It errs
// toward too many: what may be meant is not called a mistake.
func (p *protectedSites) add(segment caddyfile.Segment) {
	name := ""
	for d := caddyfile.NewDispenser(segment); d.Next(); {
		switch d.Val() {
		case "token_protection":
			for d.NextArg() {
				name = d.Val()
				p.resources = append(p.resources, policy.Resource{Name: name})
			}
		case "app_id":
			if d.NextArg() {
				p.resources = append(p.resources, policy.Resource{AppID: d.Val()})
			}
		case "proofs":
			if slices.Contains(d.RemainingArgs(), string(proof.DBSC)) {
				p.dbsc = append(p.dbsc, name)
			}
		}
	}
}

// names lists the names for an error message, each once.
func (p *protectedSites) names() (names []string) {
	for _, resource := range p.resources {
		if resource.Name != "" && !slices.Contains(names, resource.Name) {
			names = append(names, resource.Name)
		}
	}
	return names
}

// bindsSessions reports whether the resource accepts bound sessions. Where no
// site is known, nobody can say that it does not.
func (p *protectedSites) bindsSessions(resource string) bool {
	return len(p.resources) == 0 || slices.Contains(p.dbsc, resource)
}
