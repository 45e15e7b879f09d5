// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// parseApp reads the global option.
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("token_protection: the global option is given twice; expected one block with everything in it")
	}
	d.Next()
	file := d.File()
	d.Reset()
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	set, err := policy.Compile(app.Policies, nil, app.NamedLocations...)
	if err != nil {
		return nil, err
	}
	protected, logger := protectedIn(file), caddy.Log().Named("token_protection")
	if err := app.checkResources(set, protected); err != nil {
		return nil, err
	}
	advise(logger, set, protected.bindsSessions)
	app.adviseDevices(logger, app.Policies)
	return httpcaddyfile.App{Name: "token_protection", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile reads the global option. Syntax:
//
//	token_protection {
//		issuer <url> {
//			jwks_url    <url>
//			jwks_file   <path>
//			algorithms  <name>...
//			token_types <at+jwt|JWT>...
//			introspection <url> { ... }
//			claim       <user|user_id|groups|roles|device|client|platform> <name>...
//		}
//		device_directory <file|http|ldap> <path or url> { ... }
//		requirements <microsoft365> | file <path>
//		policy <name> {
//			id          <id>
//			state       <off|report_only|on>
//			rollout     <percent>%
//			users       { include ...  exclude ... }
//			resources   <name>... | { include ...  exclude ... }
//			platforms   <name>... | { include ...  exclude ... }
//			client_apps <name>...
//			locations   <name>... | { include ...  exclude ... }
//			device_filter <include|exclude> <rule>
//			require_hardware_key
//		}
//		policies_file <path>
//		named_location <name> { ... }
//		proof {
//			max_age      <duration>
//			clock_skew   <duration>
//			algorithms   <name>...
//			nonce        <auto|required>
//			nonce_secret <current> [<also accepted>...]
//		}
//		replay memory {
//			max_entries <number>
//			max_per_key <number>
//		}
//		cache {
//			tokens      <number>
//			device_keys <number>
//		}
//		sign_in_log {
//			interval <duration>
//		}
//	}
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	start := here(d)
	if err := onlyBlock(d, "token_protection"); err != nil {
		return err
	}
	err := block(d, "token_protection", map[string]parser{
		"issuer*":          a.parseIssuer,
		"device_directory": a.parseDeviceDirectory,
		"requirements":     a.parseRequirements,
		"policy*":          a.parsePolicy,
		"named_location*":  a.parseNamedLocation,
		"policies_file":    inspected(text(&a.PoliciesFile, "a path"), a.inspectPolicies),
		"proof":            a.parseProof,
		"replay":           a.parseReplay,
		"cache":            a.parseCache,
		"sign_in_log":      a.parseSignInLog,
	})
	if err != nil {
		return err
	}
	if err := finish(d, "token_protection"); err != nil {
		return err
	}
	if err := a.checkLocations(); err != nil {
		return err
	}
	return wrap(start, a.checkIssuers())
}

func (a *App) parseIssuer(d *caddyfile.Dispenser) error {
	start := here(d)
	var issuer Issuer
	if !d.NextArg() {
		return d.Err("issuer: missing argument; expected the issuer's https URL")
	}
	issuer.Issuer = d.Val()
	if d.NextArg() {
		return d.Errf("issuer: surplus argument %q; expected only the issuer's https URL", d.Val())
	}
	soFar := func() error { return issuer.check() }
	if err := soFar(); err != nil {
		return d.WrapErr(err)
	}
	err := block(d, "issuer", map[string]parser{
		"jwks_url":      checked(text(&issuer.JWKSURL, "an https URL"), soFar),
		"jwks_file":     inspected(checked(text(&issuer.JWKSFile, "a path"), soFar), issuer.inspectKeys),
		"algorithms":    checked(list(&issuer.Algorithms, "names such as ES256"), soFar),
		"token_types":   checked(list(&issuer.TokenTypes, "at+jwt, JWT or both"), soFar),
		"claim*":        issuer.parseClaim,
		"introspection": issuer.parseIntrospection,
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(a.Issuers, func(other Issuer) bool { return other.Issuer == issuer.Issuer }) {
		return start.Errf("issuer %q: configured twice; expected one block for each issuer", issuer.Issuer)
	}
	a.Issuers = append(a.Issuers, issuer)
	return nil
}

func (i *Issuer) parseClaim(d *caddyfile.Dispenser) error {
	expected := fmt.Sprintf("one of %s, then names of claims", strings.Join(claimFacts, ", "))
	var arguments []string
	if err := list(&arguments, expected)(d); err != nil {
		return err
	}
	fact, names := arguments[0], arguments[1:]
	_, twice := i.Claims[fact]
	switch {
	case !slices.Contains(claimFacts, fact):
		return d.Errf("claim: %q is not known; expected %s", fact, expected)
	case len(names) == 0:
		return d.Errf("claim %s: missing arguments; expected names of claims", fact)
	case twice:
		return d.Errf("claim: %s is given twice; expected it once at most", fact)
	}
	if i.Claims == nil {
		i.Claims = make(map[string][]string)
	}
	i.Claims[fact] = names
	return nil
}

func (a *App) parseProof(d *caddyfile.Dispenser) error {
	if err := onlyBlock(d, "proof"); err != nil {
		return err
	}
	p := &a.Proof
	return block(d, "proof", map[string]parser{
		"max_age": checked(duration(&p.MaxAge), func() error { return checkMaxAge(p.MaxAge) }),
		"clock_skew": func(d *caddyfile.Dispenser) error {
			p.ClockSkew = new(caddy.Duration)
			return checked(duration(p.ClockSkew), func() error { return checkClockSkew(*p.ClockSkew) })(d)
		},
		"algorithms":   checked(list(&p.Algorithms, "names such as ES256"), func() error { return checkAlgorithms(p.Algorithms) }),
		"nonce":        word(&p.Nonce, nonceAuto, nonceRequired),
		"nonce_secret": checked(list(&p.NonceSecret, "a secret, and others that are accepted too"), func() error { return checkNonceSecrets(p.NonceSecret) }),
	})
}

// checkNonceSecrets finds secrets that are too short, as far as they can be
// read without the environment they will be used in.
func checkNonceSecrets(secrets []string) error {
	for i, secret := range secrets {
		if strings.Contains(secret, "{") {
			continue // a placeholder
		}
		if err := checkNonceSecret(i, secret); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) parseCache(d *caddyfile.Dispenser) error {
	if err := onlyBlock(d, "cache"); err != nil {
		return err
	}
	return block(d, "cache", map[string]parser{
		"tokens":      count(&a.Cache.Tokens),
		"device_keys": count(&a.Cache.DeviceKeys),
	})
}

func (a *App) parseSignInLog(d *caddyfile.Dispenser) error {
	if err := onlyBlock(d, "sign_in_log"); err != nil {
		return err
	}
	return block(d, "sign_in_log", map[string]parser{
		"interval": func(d *caddyfile.Dispenser) error {
			a.SignInLog.Interval = new(caddy.Duration)
			return duration(a.SignInLog.Interval)(d)
		},
	})
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
