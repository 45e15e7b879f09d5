// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// checkResources says what is protected, and finds what is not.
func (d *doctor) checkResources(c *configuration) {
	const check = "resources"
	if len(c.handlers) == 0 {
		d.fail(check, "add `token_protection <resource>` to a site", "No site is protected: there is no token_protection handler.")
		return
	}
	policies, err := c.policies()
	if err != nil {
		d.fail(check, "correct the policies file", "%v.", err)
		return
	}
	seen := make(map[string]bool)
	for _, resource := range c.handlers.resources() {
		if seen[resource.Name] {
			continue
		}
		seen[resource.Name] = true
		switch mode, names := modeOf(resource, policies); mode {
		case "on":
			d.ok(check, "%s is protected; in force: %s.", resource.Name, strings.Join(names, ", "))
		case "report_only":
			d.ok(check, "%s is only watched (report_only): %s.", resource.Name, strings.Join(names, ", "))
		default:
			d.warn(check, "name it in a policy's `resources`, in state report_only to begin with", "No policy targets %s: nothing is enforced there, nor recorded what would be.", resource.Name)
		}
	}
}

// modeOf is the strongest state of the policies that target the resource, and
// the names of those.
func modeOf(resource policy.Resource, policies []policy.Policy) (mode string, names []string) {
	mode = "off"
	for _, p := range policies {
		if targets(p, resource) {
			mode = stronger(mode, stateName(p.State))
		}
	}
	for _, p := range policies {
		if stateName(p.State) == mode && targets(p, resource) {
			names = append(names, p.DisplayName)
		}
	}
	return mode, names
}

// checkPolicies lints the policies against the resources of this configuration.
func (d *doctor) checkPolicies(c *configuration) {
	const check = "policies"
	policies, err := c.policies()
	if err != nil {
		return // checkResources has said so
	}
	set, err := policy.Compile(policies, c.handlers.resources(), c.app.NamedLocations...)
	if err != nil {
		d.fail(check, "correct the policies", "The policies are not valid: %v.", err)
		return
	}
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
