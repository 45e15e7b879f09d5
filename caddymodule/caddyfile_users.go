// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

func parseUsers(p *policy.Policy) (side, side) {
	users := &p.Conditions.Users
	people := func(all *[]string, groups, roles *[]string) side {
		return func(d *caddyfile.Dispenser, arguments []string) error {
			kind, names := arguments[0], arguments[1:]
			switch kind {
			case "all", "guests":
				if len(names) > 0 {
					return d.Errf("users: surplus argument %q; expected nothing after %s", names[0], kind)
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
				return d.Errf("users: %s without a name; expected at least one name or id", kind)
			}
			return nil
		}
	}
	return endless(people(&users.IncludeUsers, &users.IncludeGroups, &users.IncludeRoles)),
		ending(p, people(&users.ExcludeUsers, &users.ExcludeGroups, &users.ExcludeRoles))
}

// cutEnd splits off `until <day>` at the end of a line.
func cutEnd(arguments []string) (names []string, end string, ok bool) {
	n := len(arguments) - 2
	if n < 1 || arguments[n] != "until" {
		return arguments, "", false
	}
	return arguments[:n], arguments[n+1], true
}

// endless refuses an end where none is possible.
func endless(take side) side {
	return func(d *caddyfile.Dispenser, arguments []string) error {
		if _, _, ok := cutEnd(arguments); ok {
			return d.Err("users: until after include; expected it after exclude only")
		}
		return take(d, arguments)
	}
}

// ending reads an exclusion, and when it ends.
func ending(p *policy.Policy, take side) side {
	return func(d *caddyfile.Dispenser, arguments []string) error {
		names, end, ok := cutEnd(arguments)
		if err := take(d, names); err != nil || !ok {
			return err
		}
		if !isEnd(end) {
			return d.Errf("users: until %q; expected the last day such as 2026-12-31, or an instant such as 2026-12-31T18:00:00Z", end)
		}
		kind, names := names[0], names[1:]
		if kind == "guests" {
			names = []string{"GuestsOrExternalUsers"}
		}
		for _, name := range names {
			expiry := policy.ExclusionExpiry{Until: end}
			switch kind {
			case "group":
				expiry.Group = name
			case "role":
				expiry.Role = name
			default:
				expiry.User = name
			}
			p.TokenProtection.ExclusionExpiry = append(p.TokenProtection.ExclusionExpiry, expiry)
		}
		return nil
	}
}

func isEnd(text string) bool {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}
