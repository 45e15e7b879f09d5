// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

const placeholderPrefix = "http.token_protection."

// setPlaceholders makes the decision available as {http.token_protection.*},
// computed when asked for. What a backend must be able to trust is best set
// in reverse_proxy's header_up, which a client's Connection header cannot
// strip.
func (h *Handler) setPlaceholders(r *http.Request, decision *enforcement.Decision) {
	replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	replacer.Map(func(key string) (any, bool) {
		if name, ok := strings.CutPrefix(key, placeholderPrefix); ok {
			return placeholder(decision, name)
		}
		return nil, false
	})
}

// placeholder returns one fact. Facts about the user come from a verified
// token, or from a session whose possession was proved, or are empty.
func placeholder(decision *enforcement.Decision, name string) (any, bool) {
	claims := decision.Claims
	switch name {
	case "user":
		if claims != nil {
			return claims.User, true
		}
		if decision.Session != nil && decision.Bound {
			return decision.Session.User, true
		}
	case "device_id":
		if claims != nil {
			return claims.Device, true
		}
	case "scheme":
		if decision.Bound {
			return string(decision.Binding.Scheme), true
		}
	case "thumbprint":
		if decision.Bound {
			return decision.Binding.Key.String(), true
		}
	case "status":
		if decision.Bound {
			return signin.Bound, true
		}
		return signin.Unbound, true
	case "code":
		return strconv.Itoa(decision.Code()), true
	case "decision":
		if decision.Allow {
			return signin.Allow, true
		}
		return signin.Block, true
	case "correlation_id":
		return decision.CorrelationID(), true
	default:
		return nil, false
	}
	return "", true
}
