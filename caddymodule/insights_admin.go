// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin/insights"
)

// insightsRoute shows the sign-ins of this process as a page.
var insightsRoute = adminRoute{name: "insights", method: http.MethodGet, query: insights.Parameters(), page: servePage}

func servePage(a *App) http.Handler { return a.board }
