// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// checkPolicies compiles the policies, for this configuration's resources.
func (d *doctor) checkPolicies(c *configuration) {
	policies, err := c.policies()
	if err != nil {
		d.fail("policies", "correct the policies file", "%v.", err)
		return
	}
	set, err := policy.Compile(policies, nil, c.app.NamedLocations...)
	if err != nil {
		d.fail("policies", "correct the policies", "The policies are not valid: %v.", err)
		return
	}
	set = set.WithResources(c.handlers.resources())
	d.checkResources(c, policies, set)
	d.lint(c, set)
}

// checkResources says what is protected, and finds what is not.
func (d *doctor) checkResources(c *configuration, policies []policy.Policy, set *policy.Set) {
	const check = "resources"
	if len(c.handlers) == 0 {
		d.fail(check, "add `token_protection <resource>` to a site", "No site is protected: there is no token_protection handler.")
		return
	}
	seen := make(map[string]bool)
	for _, resource := range c.handlers.resources() {
		if seen[resource.Name] {
			continue
		}
		seen[resource.Name] = true
		switch mode, names := modeOf(policies, set.Targeting(resource.Name)); mode {
		case "on":
			d.ok(check, "%s is protected; in force: %s.", resource.Name, strings.Join(names, ", "))
		case "report_only":
			d.ok(check, "%s is only watched (report_only): %s.", resource.Name, strings.Join(names, ", "))
		default:
			d.warn(check, "name it in a policy's `resources`, in state report_only to begin with", "No policy targets %s: nothing is enforced there, nor recorded what would be.", resource.Name)
		}
	}
}

// modeOf is the strongest state of the policies that target a resource, and
// the names of those.
func modeOf(policies []policy.Policy, targeting []int) (mode string, names []string) {
	mode = "off"
	for _, i := range targeting {
		mode = stronger(mode, stateName(policies[i].State))
	}
	for _, i := range targeting {
		if stateName(policies[i].State) == mode {
			names = append(names, policies[i].DisplayName)
		}
	}
	return mode, names
}

// lint says what is wrong or unwise about the policies.
func (d *doctor) lint(c *configuration, set *policy.Set) {
	const check = "policies"
	if unknown := set.UnknownResources(c.handlers.resources()); len(unknown) > 0 {
		d.fail(check, "correct the name, or add `token_protection <resource>` to a site", "Policies name resources that no handler protects: %s.", strings.Join(unknown, ", "))
	}
	warnings := set.Lint(c.handlers.resources(), c.handlers.bindSessions, time.Now())
	for _, warning := range warnings {
		what, hint, _ := strings.Cut(warning.Text, "; ")
		d.warn(check, hint, "Policy %q: %s (%s).", warning.PolicyName, what, warning.Rule)
	}
	if len(warnings) == 0 {
		d.ok(check, "%d %s, and nothing unwise about them.", set.Len(), plural(set.Len(), "policy", "policies"))
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// checkMemory looks at what a restart or a second node would forget.
func (d *doctor) checkMemory(c *configuration) {
	const check = "memory"
	alone := c.app.Replay.Store == storeMemory
	if alone {
		d.ok(check, "Spent proofs are remembered by this node alone: run several nodes only with a store that they share.")
	} else {
		d.checkStore(c)
	}
	switch sessions := c.handlers.bindSessions(""); {
	case len(c.app.Proof.NonceSecret) > 0:
		d.ok(check, "A nonce_secret is configured: nonces and bound sessions survive a restart, and other nodes with the same secret know them.")
	case alone && !sessions:
		d.ok(check, "No nonce_secret is configured: clients ask for one more nonce after a restart.")
	default:
		d.warn(check, "set `proof { nonce_secret {env.NONCE_SECRET} }` to the same secret on all nodes",
			"No nonce_secret is configured: other nodes do not know this one's nonces, and a restart ends all bound sessions.")
	}
}
