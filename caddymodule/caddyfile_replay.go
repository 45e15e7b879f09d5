// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseReplay reads where spent proofs are remembered. Syntax:
//
//	replay memory {
//		max_entries <number>
//		max_per_key <number>
//	}
//	replay redis <url> {
//		cluster
//		sentinel          <name of the primary>
//		sentinel_username <user>
//		sentinel_password <secret>
//		ca                <file>...
//		key_prefix        <text>
//		on_outage         <block|nonce>
//		consistency       <normal|strict>
//		max_entries       <number>
//		max_per_key       <number>
//	}
func (a *App) parseReplay(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("replay: missing argument; expected memory or redis")
	}
	r := &a.Replay
	switch r.Store = d.Val(); r.Store {
	case storeMemory:
		return r.parseMemory(d)
	case storeRedis:
		return r.parseRedis(d)
	}
	return d.WrapErr(r.check())
}

func (r *Replay) parseMemory(d *caddyfile.Dispenser) error {
	if err := onlyBlock(d, "replay memory"); err != nil {
		return err
	}
	return block(d, "replay memory", map[string]parser{
		"max_entries": count(&r.MaxEntries),
		"max_per_key": count(&r.MaxPerKey),
	})
}

// parseRedis shows no argument in its errors: a password may be in it.
func (r *Replay) parseRedis(d *caddyfile.Dispenser) error {
	start := here(d)
	if !d.NextArg() {
		return d.Err("replay redis: missing argument; expected redis:// or rediss:// and where the server is")
	}
	r.URL = d.Val()
	if _, err := r.location(); err != nil {
		return d.WrapErr(err)
	}
	if d.NextArg() {
		return d.Err("replay redis: surplus argument; expected only the URL and a block")
	}
	if err := block(d, "replay redis", map[string]parser{
		"cluster":           present(&r.Cluster, "no arguments"),
		"sentinel":          text(&r.Sentinel, "the name under which the Sentinels know the primary"),
		"sentinel_username": exactly("a user of the Sentinels", &r.SentinelUsername),
		"sentinel_password": exactly("the password of the Sentinels", &r.SentinelPassword),
		"ca":                list(&r.CA, "PEM files"),
		"key_prefix":        text(&r.KeyPrefix, "a text"),
		"on_outage":         word(&r.OnOutage, outages...),
		"consistency":       word(&r.Consistency, consistencies...),
		"max_entries":       count(&r.MaxEntries),
		"max_per_key":       count(&r.MaxPerKey),
	}); err != nil {
		return err
	}
	return wrap(start, r.check())
}
