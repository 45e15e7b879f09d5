// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"cmp"
	"slices"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// stateNames are the words of the Caddyfile, the strongest first.
var stateNames = []struct {
	state policy.State
	name  string
}{{policy.On, "on"}, {policy.ReportOnly, "report_only"}, {policy.Off, "off"}}

func stateName(state policy.State) string {
	state = cmp.Or(state, policy.ReportOnly)
	for _, known := range stateNames {
		if known.state == state {
			return known.name
		}
	}
	return string(state)
}

func (a *App) policyStatus() []policyStatus {
	rules := a.rules.Load()
	ids := rules.set.IDs()
	list := make([]policyStatus, len(rules.policies))
	for i, p := range rules.policies {
		list[i] = policyStatus{ID: ids[i], Name: p.DisplayName, State: stateName(p.State), Rollout: 100}
		if p.TokenProtection.RolloutPercent != nil {
			list[i].Rollout = *p.TokenProtection.RolloutPercent
		}
	}
	return list
}

// protected returns the resources that handlers protect, each once.
func (a *App) protected() []policy.Resource {
	resources := a.resources()
	slices.SortFunc(resources, func(a, b policy.Resource) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(resources, func(a, b policy.Resource) bool { return a.Name == b.Name })
}

func (a *App) resourceStatus() []resourceStatus {
	resources, rules := a.protected(), a.rules.Load()
	set, ids := rules.set.WithResources(a.resources()), rules.set.IDs()
	list := make([]resourceStatus, len(resources))
	for i, resource := range resources {
		s := resourceStatus{Name: resource.Name, DisplayName: resource.DisplayName, AppID: resource.AppID, Mode: "off", Policies: []string{}}
		for _, j := range set.Targeting(resource.Name) {
			s.Policies = append(s.Policies, ids[j])
			s.Mode = stronger(s.Mode, stateName(rules.policies[j].State))
		}
		list[i] = s
	}
	return list
}

// stronger is the state of two that decides.
func stronger(a, b string) string {
	for _, known := range stateNames {
		if a == known.name || b == known.name {
			return known.name
		}
	}
	return a
}
