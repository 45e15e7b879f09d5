// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// whatIfRules are the policies that what-if asks about.
type whatIfRules struct {
	set *policy.Set
	// resources are those of the configuration; nil without one.
	resources []policy.Resource
}

// whatIfFiles are the flags that say where the policies are.
type whatIfFiles struct {
	config, adapter, policies string
	turnOn                    bool // as if report-only policies were on
}

// read compiles the policies of the configuration, or those of the draft that replaces them, over the configuration's named
// locations and resources. It warns of policies that the draft has in vain.
func (f whatIfFiles) read(stderr io.Writer) (whatIfRules, error) {
	if f.config == "" && f.policies == "" {
		return whatIfRules{}, errors.New("--config, --policies: neither is given; expected a configuration, a file of policies in Graph's shape, or both")
	}
	c := new(configuration)
	if f.config != "" {
		var err error
		if c, err = readConfiguration(f.config, f.adapter); err != nil {
			return whatIfRules{}, fmt.Errorf("--config %s: %w", f.config, err)
		}
	}
	if f.policies == "" {
		policies, err := c.policies()
		if err == nil {
			return c.rules(f.turned(policies))
		}
		return whatIfRules{}, fmt.Errorf("--config %s: %w", f.config, err)
	}
	draft, err := readDraft(f.policies, stderr)
	if err != nil {
		return whatIfRules{}, fmt.Errorf("--policies %s: %w", f.policies, err)
	}
	r, err := c.rules(f.turned(draft))
	if err != nil {
		return whatIfRules{}, fmt.Errorf("--policies %s: %w", f.policies, err)
	}
	return r, nil
}

// turned returns the policies, those in report-only state turned on if that is asked for.
func (f whatIfFiles) turned(policies []policy.Policy) []policy.Policy {
	turned := slices.Clone(policies)
	for i := range turned {
		if f.turnOn && cmp.Or(turned[i].State, policy.ReportOnly) == policy.ReportOnly {
			turned[i].State = policy.On
		}
	}
	return turned
}

func readDraft(path string, stderr io.Writer) ([]policy.Policy, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err) // the path is named by the caller
	}
	defer file.Close()
	document, err := policy.ReadDocument(file)
	for _, skipped := range document.Skipped {
		fmt.Fprintf(stderr, "warning: --policies %s: %s\n", path, skipped)
	}
	return document.Policies, err
}

// rules compiles policies as the server that has this configuration would. Without a configuration, resources have the
// names that the policies give them.
func (c *configuration) rules(policies []policy.Policy) (whatIfRules, error) {
	set, err := policy.Compile(policies, nil, c.app.NamedLocations...)
	if err != nil {
		return whatIfRules{}, err
	}
	if c.whole == nil {
		return whatIfRules{set: set}, nil
	}
	resources := c.handlers.resources()
	if err := checkTargets(set, resources); err != nil {
		return whatIfRules{}, err
	}
	return whatIfRules{set.WithResources(resources), resources}, nil
}

// checkApplication finds a resource that is misspelt: to one that nobody knows no policy applies, which would pass for an
// answer.
func (r whatIfRules) checkApplication(name string) error {
	if r.resources == nil {
		return nil
	}
	names := make(map[string]bool)
	for _, resource := range slices.Concat(r.resources, policy.WellKnown()) {
		if name == resource.Name || resource.AppID != "" && strings.EqualFold(name, resource.AppID) {
			return nil
		}
		names[resource.Name] = true
	}
	return fmt.Errorf("%q is no resource of the configuration; expected one of %s, or its application id", name, wordsOf(names))
}
