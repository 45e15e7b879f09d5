// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package tokenprotection puts token protection in front of resources behind
// Caddy: an access token works only from the device it was issued to, and
// Conditional Access policies decide whether that is enforced or only
// recorded. Importing the package compiles the module into Caddy:
//
//	xcaddy build --with github.com/tokenprotection/caddy-token-protection
//
// The app and the handler are in package caddymodule, the decision is in
// package enforcement, its memory in package cache, and what a device does in
// package client.
package tokenprotection

import (
	// The import registers the app, the handler, the directives and the commands.
	_ "github.com/tokenprotection/caddy-token-protection/caddymodule"
)
