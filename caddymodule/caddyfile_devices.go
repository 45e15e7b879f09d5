// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/graph"
	"github.com/tokenprotection/caddy-token-protection/enforcement/device/requirements"
)

// parseDeviceDirectory reads who knows the devices. Syntax:
//
//	device_directory file <path> {
//		posture      <strict|best_effort>
//		require_keys
//	}
//	device_directory http <url> {
//		lookup        <key|filter>
//		bearer        <token>
//		token_url     <url>
//		client_id     <id>
//		client_secret <secret>
//		scope         <scope>
//		renew         <duration>
//		fresh         <duration>
//		timeout       <duration>
//		entries       <number>
//		posture       <strict|best_effort>
//		require_keys
//	}
//	device_directory ldap <url> {
//		start_tls
//		ca            <file>...
//		bind_dn       <name>
//		bind_password <password>
//		base_dn       <name>
//		user_base_dn  <name>
//		renew         <duration>
//		fresh         <duration>
//		timeout       <duration>
//		entries       <number>
//		posture       <strict|best_effort>
//		require_keys
//	}
func (a *App) parseDeviceDirectory(d *caddyfile.Dispenser) error {
	start := here(d)
	const expected = "file <path>, http <url> or ldap <url>"
	c := new(DeviceDirectory)
	arguments := d.RemainingArgs()
	switch {
	case len(arguments) == 0:
		return d.Errf("device_directory: missing arguments; expected %s", expected)
	case arguments[0] != directoryFile && arguments[0] != directoryHTTP && arguments[0] != directoryLDAP:
		return d.Errf("device_directory: %q is not known; expected %s", arguments[0], expected)
	case len(arguments) == 1 || arguments[1] == "":
		return d.Errf("device_directory %s: missing argument; expected %s", arguments[0], expected)
	case len(arguments) > 2:
		return d.Errf("device_directory %s: surplus argument %q; expected %s", arguments[0], arguments[2], expected)
	}
	c.Source = arguments[0]
	if c.Source == directoryFile {
		c.Path = arguments[1]
	} else {
		c.URL = arguments[1]
	}
	if err := block(d, "device_directory "+c.Source, c.parsers()); err != nil {
		return err
	}
	a.DeviceDirectory = c
	return wrap(start, c.check())
}

// parsers are the sub-directives that this kind of directory has.
func (c *DeviceDirectory) parsers() map[string]parser {
	parsers := map[string]parser{
		"posture":      word(&c.Posture, string(device.Strict), string(device.BestEffort)),
		"require_keys": present(&c.RequireKeys, "nothing after it"),
	}
	if c.Source == directoryFile {
		return parsers
	}
	parsers["renew"] = func(d *caddyfile.Dispenser) error {
		c.Renew = new(caddy.Duration)
		return duration(c.Renew)(d)
	}
	parsers["fresh"], parsers["timeout"], parsers["entries"] = duration(&c.Fresh), duration(&c.Timeout), count(&c.Entries)
	if c.Source == directoryHTTP {
		parsers["lookup"] = word(&c.Lookup, string(graph.ByKey), string(graph.ByFilter))
		parsers["bearer"] = exactly("one token", &c.Bearer)
		parsers["token_url"] = text(&c.TokenURL, "an https URL")
		parsers["client_id"] = text(&c.ClientID, "the id this server has there")
		parsers["client_secret"] = exactly("one secret", &c.ClientSecret)
		parsers["scope"] = text(&c.Scope, "a scope")
		return parsers
	}
	parsers["start_tls"] = present(&c.StartTLS, "nothing after it")
	parsers["ca"] = list(&c.CA, "PEM files")
	parsers["bind_dn"] = text(&c.BindDN, "a distinguished name")
	parsers["bind_password"] = exactly("one password", &c.BindPassword)
	parsers["base_dn"] = text(&c.BaseDN, "a distinguished name")
	parsers["user_base_dn"] = text(&c.UserBaseDN, "a distinguished name")
	return parsers
}

// parseRequirements reads what devices and clients must be able to do. Syntax:
//
//	requirements <microsoft365>
//	requirements file <path>
func (a *App) parseRequirements(d *caddyfile.Dispenser) error {
	start := here(d)
	expected := "one of " + strings.Join(requirements.Builtin(), ", ") + ", or file <path>"
	a.Requirements = new(Requirements)
	var arguments []string
	if err := list(&arguments, expected)(d); err != nil {
		return err
	}
	switch {
	case len(arguments) == 2 && arguments[0] == "file":
		a.Requirements.File = arguments[1]
		return nil
	case len(arguments) > 1:
		return start.Errf("requirements: surplus argument %q; expected %s", arguments[1], expected)
	case arguments[0] == "file":
		return start.Errf("requirements file: missing argument; expected a path")
	}
	a.Requirements.Profile = arguments[0]
	_, err := a.Requirements.profile()
	return wrap(start, err)
}
