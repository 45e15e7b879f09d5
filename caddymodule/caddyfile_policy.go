// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// The Caddyfile's words for Graph's.
var (
	policyStates = map[string]policy.State{"off": policy.Off, "report_only": policy.ReportOnly, "on": policy.On}
	clientApps   = map[string]policy.ClientApp{
		"all": policy.AllClientApps, "browser": policy.Browser, "mobile_and_desktop": policy.MobileAppsAndDesktopClients,
		"exchange_active_sync": policy.ExchangeActiveSync, "other": policy.OtherClients,
	}
	platforms = map[string]policy.Platform{
		"all": policy.AllPlatforms, "windows": policy.Windows, "macos": policy.MacOS, "linux": policy.Linux,
		"ios": policy.IOS, "android": policy.Android,
	}
)

func (a *App) parsePolicy(d *caddyfile.Dispenser) error {
	start := here(d)
	if !d.NextArg() {
		return d.Err("policy: missing argument; expected the policy's name in quotes")
	}
	p := policy.Policy{DisplayName: d.Val(), State: policy.ReportOnly}
	p.SessionControls.SecureSignInSession.IsEnabled = true
	if d.NextArg() {
		return d.Errf("policy: surplus argument %q; expected only a name, with quotes if there are spaces in it", d.Val())
	}
	state := ""
	conditions := &p.Conditions
	if err := block(d, "policy", map[string]parser{
		"id":                   text(&p.ID, "an id"),
		"state":                word(&state, "off", "report_only", "on"),
		"rollout":              parseRollout(&p),
		"users":                both(parseUsers(&p)),
		"resources":            both(a.parseResources(conditions)),
		"platforms":            both(parsePlatforms(conditions)),
		"client_apps":          parseClientApps(conditions),
		"locations":            both(parseLocations(conditions)),
		"device_filter":        parseDeviceFilter(conditions),
		"require_hardware_key": present(&p.TokenProtection.RequireHardwareKey, "nothing after it"),
	}); err != nil {
		return err
	}
	switch {
	case reflect.ValueOf(conditions.Users).IsZero():
		return start.Errf("policy %q: users is missing; expected a block with at least one include", p.DisplayName)
	case reflect.ValueOf(conditions.Applications).IsZero():
		return start.Errf("policy %q: resources is missing; expected for example `resources exchange`", p.DisplayName)
	}
	if state != "" {
		p.State = policyStates[state]
	}
	if p.ID == "" {
		p.ID = policy.Slug(p.DisplayName)
	}
	if a.places == nil {
		a.places = make(map[string]*caddyfile.Dispenser)
	}
	a.places[p.DisplayName] = start
	a.Policies = append(a.Policies, p)
	return wrap(start, policy.Check(a.Policies)) // those before were fine
}

// side takes the arguments of one include or exclude line.
type side func(d *caddyfile.Dispenser, arguments []string) error

// both reads `name <arguments>`, which includes, or a block of include and
// exclude lines.
func both(include, exclude side) parser {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if d.NextArg() {
			d.Prev()
			return line(include)(d)
		}
		given := false
		note := func(parse parser) parser {
			return func(d *caddyfile.Dispenser) error { given = true; return parse(d) }
		}
		start := here(d)
		err := block(d, name, map[string]parser{
			"include*": note(line(include)),
			"exclude*": note(line(notAll(exclude))),
		})
		if err == nil && !given {
			return start.Errf("%s: empty; expected arguments, or a block with include and exclude", name)
		}
		return err
	}
}

// line reads the arguments of one side.
func line(take side) parser {
	return func(d *caddyfile.Dispenser) error {
		var arguments []string
		if err := list(&arguments, "what to include or exclude")(d); err != nil {
			return err
		}
		return take(d, arguments)
	}
}

// notAll refuses to exclude everything.
func notAll(exclude side) side {
	return func(d *caddyfile.Dispenser, arguments []string) error {
		if arguments[0] == "all" {
			return d.Err("exclude all: the policy would apply to nothing; expected `state off` instead")
		}
		return exclude(d, arguments)
	}
}

func (a *App) parseResources(conditions *policy.ConditionSet) (side, side) {
	applications := &conditions.Applications
	into := func(names *[]string) side {
		return func(d *caddyfile.Dispenser, arguments []string) error {
			a.namings = append(a.namings, naming{here(d), arguments})
			for _, name := range arguments {
				if name == "all" {
					name = "All"
				}
				*names = append(*names, name)
			}
			return nil
		}
	}
	return into(&applications.IncludeApplications), into(&applications.ExcludeApplications)
}

func parsePlatforms(conditions *policy.ConditionSet) (side, side) {
	into := func(names *[]policy.Platform) side {
		return func(d *caddyfile.Dispenser, arguments []string) error {
			for _, name := range arguments {
				platform, ok := platforms[strings.ToLower(name)]
				if !ok {
					return d.Errf("platforms: %q is not known; expected some of all, windows, macOS, linux, iOS, android", name)
				}
				*names = append(*names, platform)
			}
			return nil
		}
	}
	return into(&conditions.Platforms.IncludePlatforms), into(&conditions.Platforms.ExcludePlatforms)
}

func parseClientApps(conditions *policy.ConditionSet) parser {
	return func(d *caddyfile.Dispenser) error {
		var names []string
		if err := list(&names, "some of all, browser, mobile_and_desktop, exchange_active_sync, other")(d); err != nil {
			return err
		}
		for _, name := range names {
			app, ok := clientApps[name]
			if !ok {
				return d.Errf("client_apps: %q is not known; expected some of all, browser, mobile_and_desktop, exchange_active_sync, other", name)
			}
			if slices.Contains(conditions.ClientAppTypes, app) {
				return d.Errf("client_apps: %s is given twice; expected it once at most", name)
			}
			conditions.ClientAppTypes = append(conditions.ClientAppTypes, app)
		}
		return nil
	}
}

func parseRollout(p *policy.Policy) parser {
	return func(d *caddyfile.Dispenser) error {
		value := ""
		if err := text(&value, "a share of users such as 25%")(d); err != nil {
			return err
		}
		share, percent := strings.CutSuffix(value, "%")
		number, err := strconv.Atoi(share)
		if err != nil || !percent || number < 0 || number > 100 {
			return d.Errf("rollout: %q is not a share; expected a whole number of percent such as 25%%", value)
		}
		p.TokenProtection.RolloutPercent = &number
		return nil
	}
}
