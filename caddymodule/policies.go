// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement/livefile"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// lookAtPolicies is how often the policies file is looked at.
const lookAtPolicies = time.Second

// rules are the policies that are in force at one time: those of the
// configuration, then those of the policies file.
type rules struct {
	policies []policy.Policy
	set      *policy.Set
}

// provisionPolicies compiles the policies. From then on the file's are
// replaced whole when it changes.
func (a *App) provisionPolicies() error {
	if a.PoliciesFile != "" {
		a.policiesFile = livefile.New(a.PoliciesFile, policy.MaxDocumentSize)
	}
	next, err := a.readRules()
	if err != nil {
		return err
	}
	a.rules.Store(next)
	return nil
}

// readRules reads the policies file, if there is one, and compiles everything.
func (a *App) readRules() (*rules, error) {
	next := &rules{policies: a.Policies}
	if a.policiesFile != nil {
		document, err := readPolicies(a.policiesFile)
		if err != nil {
			return nil, err
		}
		for _, skipped := range document.Skipped {
			warnOnce(a.logger, fmt.Sprintf("%s: %s", a.PoliciesFile, skipped))
		}
		next.policies = slices.Concat(a.Policies, document.Policies)
	}
	var err error
	if next.set, err = policy.Compile(next.policies, nil, a.NamedLocations...); err != nil {
		return nil, err
	}
	advise(a.logger, next.set, a.bindsSessions)
	a.adviseDevices(a.logger, next.policies)
	return next, nil
}

func readPolicies(file *livefile.File) (policy.Document, error) {
	text, err := file.Read()
	if err != nil {
		return policy.Document{}, fmt.Errorf("policies_file: %w", err)
	}
	document, err := policy.ReadDocument(bytes.NewReader(text))
	if err != nil {
		return policy.Document{}, fmt.Errorf("policies_file %s: %w", file.Path(), err)
	}
	return document, nil
}

// register makes a handler known: its resource, so that policies which name
// nothing that exists are found out, and itself, to be told of new policies.
func (a *App) register(h *Handler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.handlers = append(a.handlers, h)
}

// checkTargets finds policies that would protect nothing: they name none of
// the resources.
func checkTargets(set *policy.Set, resources []policy.Resource) error {
	if unknown := set.UnknownResources(resources); len(unknown) > 0 {
		return fmt.Errorf("policies name resources that no token_protection handler protects: %s; such a policy would protect nothing", strings.Join(unknown, ", "))
	}
	return nil
}

// resources are those of the handlers that were provisioned with this app.
func (a *App) resources() []policy.Resource {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.handlers.resources()
}

// bindsSessions reports whether the resource accepts bound sessions. Before
// the handlers are there, nobody can say that it does not.
func (a *App) bindsSessions(resource string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.handlers) == 0 || a.handlers.bindSessions(resource)
}

// followPolicies reads the policies file again whenever it has changed.
func (a *App) followPolicies() {
	if a.policiesFile == nil {
		return
	}
	a.background.Go(func() {
		tick := time.NewTicker(lookAtPolicies)
		defer tick.Stop()
		for {
			select {
			case <-a.stopping:
				return
			case <-tick.C:
				if a.policiesFile.Changed() {
					a.replacePolicies()
				}
			}
		}
	})
}

// replacePolicies puts the file's policies in force if they are good. Broken
// ones never replace good ones.
func (a *App) replacePolicies() {
	next, err := a.readRules()
	if err == nil {
		err = checkTargets(next.set, a.resources())
	}
	if err == nil {
		err = a.enforce(next)
	}
	if err != nil {
		a.logger.Error("the policies file has changed and is broken; the policies from before stay in force", zap.Error(err))
		return
	}
	a.logger.Info("the policies file has changed", zap.String("file", a.PoliciesFile), zap.Int("policies", next.set.Len()))
}

// enforce hands the policies to the handlers: to all of them or to none.
func (a *App) enforce(next *rules) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ruled := make([]*Handler, len(a.handlers))
	for i, h := range a.handlers {
		var err error
		if ruled[i], err = h.ruledBy(next.set); err != nil {
			return err
		}
	}
	for i, h := range a.handlers {
		if before := h.current.Swap(ruled[i]); before.enforcer.Enforcing() && !ruled[i].enforcer.Enforcing() {
			a.logger.Warn("nothing is enforced any more: no policy that is on targets the resource", zap.String("resource", h.Resource))
		}
	}
	a.rules.Store(next)
	return nil
}
