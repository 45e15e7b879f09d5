// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("token_protection", parseApp)
	httpcaddyfile.RegisterHandlerDirective("token_protection", parseHandler)
	httpcaddyfile.RegisterDirectiveOrder("token_protection", httpcaddyfile.Before, "basic_auth")
}

// parser reads one sub-directive; the dispenser stands at its name.
type parser func(d *caddyfile.Dispenser) error

// block reads a block whose sub-directives are known. One that is unknown or
// given twice is an error that names what is allowed; names ending in "*" may
// be repeated.
func block(d *caddyfile.Dispenser, what string, parsers map[string]parser) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, repeatable := parsers[name+"*"]
		if !repeatable {
			var known bool
			if parse, known = parsers[name]; !known {
				return d.Errf("%s: unknown sub-directive %q; expected one of %s", what, name, allowed(parsers))
			}
		}
		if seen[name] && !repeatable {
			return d.Errf("%s: %s is given twice", what, name)
		}
		seen[name] = true
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

func allowed(parsers map[string]parser) string {
	names := slices.Sorted(maps.Keys(parsers))
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, "*")
	}
	return strings.Join(names, ", ")
}

// end makes sure that a sub-directive has nothing after its arguments.
func end(d *caddyfile.Dispenser, name string) error {
	if d.NextArg() {
		return d.Errf("%s: surplus argument %q", name, d.Val())
	}
	if d.NextBlock(d.Nesting()) {
		return d.Errf("%s: does not take a block", name)
	}
	return nil
}

// text reads exactly one argument.
func text(into *string, expected string) parser {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if !d.NextArg() {
			return d.Errf("%s: missing argument; expected %s", name, expected)
		}
		*into = d.Val()
		return end(d, name)
	}
}

// word reads exactly one argument out of a few.
func word(into *string, words ...string) parser {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		expected := strings.Join(words, ", ")
		if err := text(into, "one of "+expected)(d); err != nil {
			return err
		}
		if !slices.Contains(words, *into) {
			return d.Errf("%s: %q is not known; expected one of %s", name, *into, expected)
		}
		return nil
	}
}

// list reads one or more arguments.
func list(into *[]string, expected string) parser {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if *into = d.RemainingArgs(); len(*into) == 0 {
			return d.Errf("%s: missing arguments; expected %s", name, expected)
		}
		return end(d, name)
	}
}

// duration reads a duration in Caddy's notation, from 0 upward.
func duration(into *caddy.Duration) parser {
	return func(d *caddyfile.Dispenser) error {
		name, value := d.Val(), ""
		if err := text(&value, "a duration such as 60s")(d); err != nil {
			return err
		}
		parsed, err := caddy.ParseDuration(value)
		if err != nil || parsed < 0 {
			return d.Errf("%s: %q is not a duration; expected one such as 60s", name, value)
		}
		*into = caddy.Duration(parsed)
		return nil
	}
}

// count reads a positive number.
func count(into *int) parser {
	return func(d *caddyfile.Dispenser) error {
		name, value := d.Val(), ""
		if err := text(&value, "a positive number")(d); err != nil {
			return err
		}
		parsed, err := strconv.Atoi(value)
		if err != nil || parsed < 1 {
			return d.Errf("%s: %q is not a positive number", name, value)
		}
		*into = parsed
		return nil
	}
}

// unsupported refuses what the design has and this version has not, so that
// nobody believes it to be in force.
func unsupported(d *caddyfile.Dispenser) error {
	return d.Errf("%s: not supported yet", d.Val())
}

// wrap adds file and line to an error.
func wrap(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}
