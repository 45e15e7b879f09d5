// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// checkCORSOrigins wants origins as browsers write them (RFC 6454, section 6.1).
func (h *Handler) checkCORSOrigins() error {
	for _, origin := range h.CORSOrigins {
		if strings.Contains(origin, "@") { // a password, which must not get into a log
			return errors.New("cors_origins: userinfo is not allowed; expected an origin such as https://app.contoso.example")
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return fmt.Errorf("cors_origins: %q is not an origin; expected one such as https://app.contoso.example", origin)
		}
	}
	return nil
}

// allowedOrigin returns the request's Origin if it is a configured one.
func (h *Handler) allowedOrigin(r *http.Request) string {
	if len(h.CORSOrigins) == 0 {
		return ""
	}
	origins := r.Header["Origin"]
	if len(origins) != 1 || !slices.Contains(h.CORSOrigins, origins[0]) {
		return ""
	}
	return origins[0]
}

// servePreflight answers a browser's question before a request (Fetch,
// section 3.2.2): it carries no credential, and none can be asked for. It
// reports false for all other requests.
func (h *Handler) servePreflight(w http.ResponseWriter, r *http.Request) bool {
	origin := h.allowedOrigin(r)
	if origin == "" || r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	header := w.Header()
	header.Set("Access-Control-Allow-Origin", origin)
	header.Add("Vary", "Origin")
	header.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	header.Set("Access-Control-Allow-Headers", "Authorization, DPoP, Content-Type, *")
	header.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// exposeRefusal lets a browser's client see what it was refused for (RFC
// 9449, sections 7.1 and 8).
func (h *Handler) exposeRefusal(header http.Header, r *http.Request) {
	if r.Header.Get("Origin") == "" {
		return
	}
	header.Add("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
	if origin := h.allowedOrigin(r); origin != "" {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Add("Vary", "Origin")
	}
}

// shareAnswer lets a browser's client of a configured origin read the
// backend's answer, where the backend does not say itself who may.
func shareAnswer(header http.Header, origin string) {
	if header.Get("Access-Control-Allow-Origin") == "" {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Add("Vary", "Origin")
		header.Add("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
	}
}
