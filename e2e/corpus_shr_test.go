// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import "github.com/tokenprotection/caddy-token-protection/e2e/harness"

var shrCases = map[string]play{}
var _ = harness.Host
