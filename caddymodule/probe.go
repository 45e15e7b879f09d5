// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// probes reports whether a refused request may ask the backend how to sign
// in: mail clients learn where to get a token from the challenge to a request
// without any credential. One that could do anything else may not.
func (h *Handler) probes(r *http.Request, decision *enforcement.Decision) bool {
	return h.Anonymous == anonymousProbe && decision.Reason == reason.CredentialMissing &&
		len(r.Header["Cookie"]) == 0 && (r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0)
}

// probe lets the backend answer, and takes over its challenges if that answer
// is 401. Whatever else it says does not come back: the refusal is our own.
func (h *Handler) probe(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) {
	h.forward(r, &enforcement.Decision{Enforcing: true})
	answer := &sink{header: make(http.Header)}
	if err := next.ServeHTTP(answer, r); err != nil || answer.status != http.StatusUnauthorized {
		return
	}
	for _, challenge := range answer.header["Www-Authenticate"] {
		w.Header().Add("WWW-Authenticate", challenge)
	}
}
