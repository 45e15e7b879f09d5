// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
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
		return nil, d.Err("token_protection: the global option is given twice")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	advise(caddy.Log().Named("token_protection"), app.Policies)
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
//			claim       <user|user_id|groups|roles|device|client|platform> <name>...
//		}
//		policy <name> {
//			id          <id>
//			state       <off|report_only|on>
//			rollout     <percent>%
//			users       { include ...  exclude ... }
//			resources   <name>... | { include ...  exclude ... }
//			platforms   <name>... | { include ...  exclude ... }
//			client_apps <name>...
//			require_hardware_key
//		}
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
	if d.NextArg() {
		return d.Errf("token_protection: surplus argument %q; the global option takes only a block", d.Val())
	}
	err := block(d, "token_protection", map[string]parser{
		"issuer*":          a.parseIssuer,
		"policy*":          a.parsePolicy,
		"proof":            a.parseProof,
		"replay":           a.parseReplay,
		"cache":            a.parseCache,
		"sign_in_log":      a.parseSignInLog,
		"device_directory": unsupported,
		"policies_file":    unsupported,
	})
	if err != nil {
		return err
	}
	return a.validate(d)
}

// validate finds at adapt time what Provision would find, and names the block.
func (a *App) validate(d *caddyfile.Dispenser) error {
	complete := App{Issuers: a.Issuers, Proof: a.Proof, Replay: a.Replay, Cache: a.Cache, SignInLog: a.SignInLog}
	complete.setDefaults()
	if err := complete.check(); err != nil {
		return wrap(d, err)
	}
	_, err := policy.Compile(a.Policies, nil)
	return wrap(d, err)
}

func (a *App) parseIssuer(d *caddyfile.Dispenser) error {
	var issuer Issuer
	if !d.NextArg() {
		return d.Err("issuer: missing argument; expected the issuer's https URL")
	}
	issuer.Issuer = d.Val()
	if d.NextArg() {
		return d.Errf("issuer: surplus argument %q; expected only the issuer's https URL", d.Val())
	}
	err := block(d, "issuer", map[string]parser{
		"jwks_url":      text(&issuer.JWKSURL, "an https URL"),
		"jwks_file":     text(&issuer.JWKSFile, "a path"),
		"algorithms":    list(&issuer.Algorithms, "names such as ES256"),
		"token_types":   list(&issuer.TokenTypes, "at+jwt, JWT or both"),
		"claim*":        issuer.parseClaim,
		"introspection": unsupported,
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(a.Issuers, func(other Issuer) bool { return other.Issuer == issuer.Issuer }) {
		return d.Errf("issuer %q: configured twice", issuer.Issuer)
	}
	if err := issuer.check(); err != nil {
		return wrap(d, err)
	}
	a.Issuers = append(a.Issuers, issuer)
	return nil
}

func (i *Issuer) parseClaim(d *caddyfile.Dispenser) error {
	arguments := d.RemainingArgs()
	if len(arguments) < 2 {
		return d.Errf("claim: expected one of %s, then the names of claims", strings.Join(claimFacts, ", "))
	}
	fact, names := arguments[0], arguments[1:]
	if !slices.Contains(claimFacts, fact) {
		return d.Errf("claim: %q is not known; expected one of %s", fact, strings.Join(claimFacts, ", "))
	}
	if _, twice := i.Claims[fact]; twice {
		return d.Errf("claim %s: given twice", fact)
	}
	if i.Claims == nil {
		i.Claims = make(map[string][]string)
	}
	i.Claims[fact] = names
	return end(d, "claim")
}

func (a *App) parseProof(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("proof: surplus argument %q; it takes only a block", d.Val())
	}
	if err := block(d, "proof", map[string]parser{
		"max_age":      duration(&a.Proof.MaxAge),
		"clock_skew":   duration(&a.Proof.ClockSkew),
		"algorithms":   list(&a.Proof.Algorithms, "names such as ES256"),
		"nonce":        word(&a.Proof.Nonce, nonceAuto, nonceRequired),
		"nonce_secret": list(&a.Proof.NonceSecret, "a secret, and others that are accepted too"),
	}); err != nil {
		return err
	}
	_, err := parseAlgorithms(a.Proof.Algorithms)
	return wrap(d, err)
}

func (a *App) parseReplay(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("replay: missing argument; expected memory")
	}
	if a.Replay.Store = d.Val(); a.Replay.Store != storeMemory {
		return d.Errf("replay %s: not supported yet; expected memory", a.Replay.Store)
	}
	if d.NextArg() {
		return d.Errf("replay memory: surplus argument %q", d.Val())
	}
	return block(d, "replay memory", map[string]parser{
		"max_entries": count(&a.Replay.MaxEntries),
		"max_per_key": count(&a.Replay.MaxPerKey),
	})
}

func (a *App) parseCache(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("cache: surplus argument %q; it takes only a block", d.Val())
	}
	return block(d, "cache", map[string]parser{
		"tokens":      count(&a.Cache.Tokens),
		"device_keys": count(&a.Cache.DeviceKeys),
	})
}

func (a *App) parseSignInLog(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("sign_in_log: surplus argument %q; it takes only a block", d.Val())
	}
	return block(d, "sign_in_log", map[string]parser{
		"interval": func(d *caddyfile.Dispenser) error {
			var interval caddy.Duration
			a.SignInLog.Interval = &interval
			return duration(&interval)(d)
		},
	})
}

// Interface guard
var _ caddyfile.Unmarshaler = (*App)(nil)
