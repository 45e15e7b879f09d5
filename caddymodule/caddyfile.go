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
// given twice is an error that names what is allowed;
// names ending in "*" may be repeated.
func block(d *caddyfile.Dispenser, what string, parsers map[string]parser) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		parse, repeatable := parsers[name+"*"]
		if !repeatable {
			parse = parsers[name]
		}
		switch {
		case parse == nil:
			return d.Errf("%s: unknown sub-directive %q; expected one of %s", what, name, allowed(parsers))
		case seen[name] && !repeatable:
			return d.Errf("%s: %s is given twice; expected it once at most", what, name)
		}
		seen[name] = true
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// allowed lists the names of sub-directives for an error message.
func allowed(parsers map[string]parser) string {
	names := slices.Sorted(maps.Keys(parsers))
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, "*")
	}
	return strings.Join(names, ", ")
}

// here marks the place where the dispenser stands, so that what is found out
// at the end of a block is reported where the block begins.
func here(d *caddyfile.Dispenser) *caddyfile.Dispenser {
	place := caddyfile.NewDispenser([]caddyfile.Token{d.Token()})
	place.Next()
	return place
}

// end makes sure that a sub-directive has nothing after its arguments.
func end(d *caddyfile.Dispenser, name, expected string) error {
	if d.NextArg() {
		return d.Errf("%s: surplus argument %q; expected %s", name, d.Val(), expected)
	}
	if d.NextBlock(d.Nesting()) || d.Val() == "}" { // the latter is an empty block
		return d.Errf("%s: does not take a block; expected %s", name, expected)
	}
	return nil
}

// onlyBlock makes sure that a sub-directive has no arguments.
func onlyBlock(d *caddyfile.Dispenser, name string) error {
	if d.NextArg() {
		return d.Errf("%s: surplus argument %q; expected only a block", name, d.Val())
	}
	return nil
}

// finish makes sure that nothing comes after the last block.
func finish(d *caddyfile.Dispenser, name string) error {
	if d.Next() {
		return d.Errf("%s: unexpected %q; expected nothing after the block", name, d.Val())
	}
	return nil
}

// present reads a sub-directive that stands alone.
func present(into *bool, expected string) parser {
	return func(d *caddyfile.Dispenser) error {
		*into = true
		return end(d, d.Val(), expected)
	}
}

// text reads exactly one argument.
func text(into *string, expected string) parser {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if !d.NextArg() {
			return d.Errf("%s: missing argument; expected %s", name, expected)
		}
		if *into = d.Val(); *into == "" {
			return d.Errf("%s: empty argument; expected %s", name, expected)
		}
		return end(d, name, "only "+expected)
	}
}

// word reads exactly one argument out of a few.
func word(into *string, words ...string) parser {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		expected := "one of " + strings.Join(words, ", ")
		if err := text(into, expected)(d); err != nil {
			return err
		}
		if !slices.Contains(words, *into) {
			return d.Errf("%s: %q is not known; expected %s", name, *into, expected)
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
		if slices.Contains(*into, "") {
			return d.Errf("%s: empty argument; expected %s", name, expected)
		}
		return end(d, name, expected)
	}
}

// exactly reads as many arguments as there are places for them. Its errors do
// not show them: a secret may be among them.
func exactly(expected string, into ...*string) parser {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		var arguments []string
		if err := list(&arguments, expected)(d); err != nil {
			return err
		}
		if len(arguments) != len(into) {
			return d.Errf("%s: the number of arguments is %d; expected %s", name, len(arguments), expected)
		}
		for i, place := range into {
			*place = arguments[i]
		}
		return nil
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

// checked reads a sub-directive and then looks at its value, so that what is
// wrong with it is reported at its line.
func checked(parse parser, check func() error) parser {
	return func(d *caddyfile.Dispenser) error {
		if err := parse(d); err != nil {
			return err
		}
		return wrap(d, check())
	}
}

// wrap adds file and line to an error.
func wrap(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}

// names are those of a closed set.
func names[T ~string](set []T) []string {
	list := make([]string, len(set))
	for i, member := range set {
		list[i] = string(member)
	}
	return list
}

// words joins the names of a closed set.
func words[T ~string](set []T) string { return strings.Join(names(set), ", ") }
