// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package enforcement decides whether a request to a protected resource may
// pass. An [Enforcer] takes one request through a fixed series of steps:
// framing, exemption, credential, token, proof, policies, decision, replay,
// record. Each step takes what the former found and adds its own; the first
// failure is kept as a word of package reason. There is one evaluation for
// report-only and on: they differ only in whether the verdict is acted upon.
// An unexpected failure never allows where a policy is on.
//
// The package knows nothing of Caddy. It reads requests and decides; package
// caddymodule finds out what the client addressed, and acts.
package enforcement
