// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseHandler reads the site directive.
func parseHandler(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	if h.Option("token_protection") == nil {
		h.Next()
		return nil, h.Err("token_protection: the global option of the same name is missing; expected it, with the issuers and the policies")
	}
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, nil
}

// UnmarshalCaddyfile reads the site directive. Syntax:
//
//	token_protection <resource> {
//		display_name <name>
//		app_id       <id>
//		audience     <aud>...
//		proofs       <scheme>...
//		mtls         { ... }
//		pop          { ... }
//		dbsc         { ... }
//		exempt       <path>...
//		public_url   <url>
//		anonymous    <challenge|allow|probe>
//		forward      <unchanged|bearer|none>
//		realm        <realm>
//		metadata
//		cors_origins <origin>...
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	start := here(d)
	if !d.NextArg() {
		return d.Err("token_protection: missing argument; expected the resource's name, such as exchange, sharepoint or one of your own")
	}
	h.Resource = d.Val()
	if err := h.checkResource(); err != nil {
		return d.WrapErr(err)
	}
	if d.NextArg() {
		return d.Errf("token_protection: surplus argument %q; expected only the resource's name", d.Val())
	}
	if err := block(d, "token_protection", map[string]parser{
		"display_name": text(&h.DisplayName, "a name"),
		"app_id":       text(&h.AppID, "an application id"),
		"audience":     list(&h.Audience, "aud values"),
		"proofs":       checked(list(&h.Proofs, "some of "+strings.Join(supportedProofs, ", ")), h.checkProofs),
		"mtls":         h.parseMTLS,
		"pop":          h.parsePoP,
		"dbsc":         h.parseDBSC,
		"exempt":       checked(list(&h.Exempt, "paths such as /healthz or /public/*"), h.checkExempt),
		"public_url":   checked(text(&h.PublicURL, "the URL under which clients address this site"), h.checkPublicURL),
		"anonymous":    word(&h.Anonymous, anonymousChallenge, anonymousAllow, anonymousProbe),
		"forward":      word(&h.Forward, forwardUnchanged, forwardBearer, forwardNone),
		"realm":        checked(text(&h.Realm, "a name"), h.checkRealm),
		"cors_origins": checked(list(&h.CORSOrigins, "origins such as https://app.contoso.example"), h.checkCORSOrigins),
		"metadata":     present(&h.Metadata, "no arguments"),
	}); err != nil {
		return err
	}
	if err := h.checkBlocks(); err != nil {
		return start.WrapErr(err)
	}
	return finish(d, "token_protection")
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
