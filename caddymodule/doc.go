// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package caddymodule is the Caddy face of token protection. The app
// `token_protection` holds what all resources share: issuers, policies, the
// memory of spent proofs, the sign-in log. The handler
// `http.handlers.token_protection` stands in front of one resource: it finds
// out what the client addressed, asks package enforcement for a decision, and
// acts on it. It decides nothing itself.
package caddymodule
