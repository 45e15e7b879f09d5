// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Command limit is Caddy with the two handlers that the benchmark compares the
// module with, and without the module itself. `bench_limit` does the work that
// no proof of possession can do without, and nothing else: one signature
// verification and one SHA-256 of the access token. `bench_naive` checks a DPoP
// proof the way that golang-jwt's documentation suggests. Neither is of any use
// outside the benchmark.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
