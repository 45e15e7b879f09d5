// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
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
	if !d.NextArg() {
		return d.Err("policy: missing argument; expected the policy's name in quotes")
	}
	p := policy.Policy{DisplayName: d.Val(), State: policy.ReportOnly}
	p.SessionControls.SecureSignInSession.IsEnabled = true
	if d.NextArg() {
		return d.Errf("policy: surplus argument %q; a name with spaces needs quotes", d.Val())
	}
	state := ""
	conditions := &p.Conditions
	if err := block(d, "policy", map[string]parser{
		"id":                   text(&p.ID, "an id"),
		"state":                word(&state, "off", "report_only", "on"),
		"rollout":              parseRollout(&p),
		"users":                both(parseUsers(conditions)),
		"resources":            both(parseResources(conditions)),
		"platforms":            both(parsePlatforms(conditions)),
		"client_apps":          parseClientApps(conditions),
		"require_hardware_key": parseHardwareKey(&p),
		"device_filter":        unsupported,
	}); err != nil {
		return err
	}
	if state != "" {
		p.State = policyStates[state]
	}
	if p.ID == "" {
		p.ID = policy.Slug(p.DisplayName)
	}
	if _, err := policy.Compile([]policy.Policy{p}, nil); err != nil {
		return wrap(d, err)
	}
	a.Policies = append(a.Policies, p)
	return nil
}

// side takes the arguments of one include or exclude line.
type side func(d *caddyfile.Dispenser, arguments []string) error

// both reads `name <arguments>`, which includes, or a block of include and
// exclude lines.
func both(include, exclude side) parser {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		line := func(take side) parser {
			return func(d *caddyfile.Dispenser) error {
				word := d.Val()
				arguments := d.RemainingArgs()
				if len(arguments) == 0 {
					return d.Errf("%s %s: missing arguments", name, word)
				}
				if err := take(d, arguments); err != nil {
					return err
				}
				return end(d, name+" "+word)
			}
		}
		if arguments := d.RemainingArgs(); len(arguments) > 0 {
			if err := include(d, arguments); err != nil {
				return err
			}
			return end(d, name)
		}
		any := false
		err := block(d, name, map[string]parser{
			"include*": func(d *caddyfile.Dispenser) error { any = true; return line(include)(d) },
			"exclude*": func(d *caddyfile.Dispenser) error { any = true; return line(exclude)(d) },
		})
		if err == nil && !any {
			return d.Errf("%s: empty; expected arguments, or a block with include and exclude", name)
		}
		return err
	}
}

func parseUsers(conditions *policy.ConditionSet) (side, side) {
	users := &conditions.Users
	people := func(all *[]string, groups, roles *[]string) side {
		return func(d *caddyfile.Dispenser, arguments []string) error {
			kind, names := arguments[0], arguments[1:]
			switch kind {
			case "all", "guests":
				if len(names) > 0 {
					return d.Errf("users: surplus argument %q after %s", names[0], kind)
				}
				*all = append(*all, map[string]string{"all": "All", "guests": "GuestsOrExternalUsers"}[kind])
				return nil
			case "user":
				*all = append(*all, names...)
			case "group":
				*groups = append(*groups, names...)
			case "role":
				*roles = append(*roles, names...)
			default:
				return d.Errf("users: %q is not known; expected all, guests, user <name or id>..., group <id>... or role <id>...", kind)
			}
			if len(names) == 0 {
				return d.Errf("users: %s needs at least one name or id", kind)
			}
			return nil
		}
	}
	return people(&users.IncludeUsers, &users.IncludeGroups, &users.IncludeRoles),
		people(&users.ExcludeUsers, &users.ExcludeGroups, &users.ExcludeRoles)
}

func parseResources(conditions *policy.ConditionSet) (side, side) {
	applications := &conditions.Applications
	into := func(names *[]string) side {
		return func(_ *caddyfile.Dispenser, arguments []string) error {
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
				return d.Errf("client_apps: %s is given twice", name)
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

func parseHardwareKey(p *policy.Policy) parser {
	return func(d *caddyfile.Dispenser) error {
		p.TokenProtection.RequireHardwareKey = true
		return end(d, "require_hardware_key")
	}
}
