// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/livefile"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// readExclusions returns whom the policies of a file exclude. The file is a configuration, as a Caddyfile or JSON, whose
// policies file counts too, or itself a policies file in Graph's shape.
func readExclusions(path string) ([]signin.Exclusion, error) {
	policies, err := policiesIn(path)
	if err != nil {
		return nil, err
	}
	var list []signin.Exclusion
	for i := range policies {
		p := &policies[i]
		users := p.Conditions.Users
		for _, name := range users.ExcludeUsers {
			kind := signin.ExcludedUser
			if name == "GuestsOrExternalUsers" {
				kind = signin.ExcludedGuest
			}
			list = append(list, exclusionOf(p, kind, name))
		}
		if users.ExcludeGuestsOrExternalUsers != nil {
			list = append(list, exclusionOf(p, signin.ExcludedGuest, users.ExcludeGuestsOrExternalUsers.GuestOrExternalUserTypes))
		}
		for _, name := range users.ExcludeGroups {
			list = append(list, exclusionOf(p, signin.ExcludedGroup, name))
		}
		for _, name := range users.ExcludeRoles {
			list = append(list, exclusionOf(p, signin.ExcludedRole, name))
		}
	}
	return list, nil
}

func exclusionOf(p *policy.Policy, kind, name string) signin.Exclusion {
	x := signin.Exclusion{Policy: p.DisplayName, Kind: kind, Name: name}
	for _, end := range p.TokenProtection.ExclusionExpiry {
		named := map[string]string{signin.ExcludedUser: end.User, signin.ExcludedGuest: end.User, signin.ExcludedGroup: end.Group, signin.ExcludedRole: end.Role}
		if named[kind] == name {
			x.Until = end.Until
		}
	}
	return x
}

func policiesIn(path string) ([]policy.Policy, error) {
	if isPoliciesFile(path) {
		return policiesFile(path)
	}
	c, err := readConfiguration(path, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c.policies()
}

// policies are the configuration's, then those of its policies file.
func (c *configuration) policies() ([]policy.Policy, error) {
	if c.app.PoliciesFile == "" {
		return c.app.Policies, nil
	}
	more, err := policiesFile(c.app.PoliciesFile)
	return slices.Concat(c.app.Policies, more), err
}

func policiesFile(path string) ([]policy.Policy, error) {
	document, err := readPolicies(livefile.New(path, policy.MaxDocumentSize))
	return document.Policies, err
}

// isPoliciesFile tells Graph's JSON from Caddy's, which has apps.
func isPoliciesFile(path string) bool {
	if !strings.HasSuffix(path, ".json") {
		return false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var caddy struct{ Apps json.RawMessage }
	return json.Unmarshal(text, &caddy) != nil || caddy.Apps == nil
}
