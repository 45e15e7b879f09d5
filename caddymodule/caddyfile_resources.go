// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// naming is a line of a policy that names resources.
type naming struct {
	place *caddyfile.Dispenser
	names []string
}

// checkResources finds policies that name resources which no site protects,
// and reports the line. The global option is parsed before any site is, so it
// looks at the file once more; where there is none, as for a configuration
// that comes over the network, App.Start finds the mistake.
func (a *App) checkResources(file string) error {
	protected := protectedResources(file)
	if len(protected) == 0 {
		return nil
	}
	set, err := policy.Compile(a.Policies, nil, a.NamedLocations...)
	if err != nil {
		return err
	}
	unknown := set.UnknownResources(protected)
	for _, line := range a.namings {
		for _, name := range line.names {
			if slices.Contains(unknown, name) {
				return line.place.Errf("resources: no token_protection handler protects %q; expected all, an application id, or some of %s",
					name, strings.Join(resourceNames(protected), ", "))
			}
		}
	}
	return nil
}

// protectedResources lists the resources of the sites in a Caddyfile and in
// what it imports; none if there is no such file.
func protectedResources(file string) (resources []policy.Resource) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	sites, err := caddyfile.Parse(file, text)
	if err != nil {
		return nil // the adapter reports it
	}
	for _, site := range sites {
		for _, segment := range site.Segments {
			resources = append(resources, resourcesIn(segment)...)
		}
	}
	return resources
}

// resourcesIn lists what a segment protects, by name and by application id.
// It errs toward too many: what may be meant is not called a mistake.
func resourcesIn(segment caddyfile.Segment) (resources []policy.Resource) {
	for d := caddyfile.NewDispenser(segment); d.Next(); {
		switch d.Val() {
		case "token_protection":
			for d.NextArg() {
				resources = append(resources, policy.Resource{Name: d.Val()})
			}
		case "app_id":
			if d.NextArg() {
				resources = append(resources, policy.Resource{AppID: d.Val()})
			}
		}
	}
	return resources
}

// resourceNames lists the names for an error message, each once.
func resourceNames(resources []policy.Resource) (names []string) {
	for _, resource := range resources {
		if resource.Name != "" && !slices.Contains(names, resource.Name) {
			names = append(names, resource.Name)
		}
	}
	return names
}
