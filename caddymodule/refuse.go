// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// refuse answers a request that may not pass. The status and the headers are
// ours; the body is that of the site's error routes, if it has any.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, addressed target.URL, decision *enforcement.Decision) error {
	answer := decision.Reason.Answer()
	header := w.Header()
	if decision.Session != nil {
		h.sessions.Refuse(header, *decision.Session)
	} else if wantsClaims(decision, answer) {
		answer.Status = http.StatusUnauthorized
		header.Add("WWW-Authenticate", h.refusals.claimsChallenge(decision, h.now()))
	} else {
		theirs := len(header["Www-Authenticate"]) // the backend's, where it was asked
		h.refusals.challenge(header, decision, answer, h.now())
		nameMetadata(header["Www-Authenticate"][theirs:], h.metadataURL(addressed))
	}
	header.Set("Cache-Control", "no-store")
	header.Set("X-Ms-Diagnostics", fmt.Sprintf(`%d;reason="%s";error_category="%s"`,
		signin.BlockedByTokenProtection, answer.Detail, category(answer)))
	if decision.Nonce != "" && decision.Credential.Scheme != enforcement.SchemePoP {
		header.Set("Dpop-Nonce", decision.Nonce)
	}
	if decision.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(decision.RetryAfter/time.Second)))
	}
	if answer.Status == http.StatusMethodNotAllowed {
		header.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS") // RFC 9110, section 15.5.6
	}
	h.exposeRefusal(header, r)
	if refusal := caddyhttp.Error(answer.Status, errors.New(answer.Detail)); hasErrorRoutes(r, refusal) {
		return refusal
	}
	writeBody(w, r, decision, answer)
	return nil
}

// hasErrorRoutes reports whether handle_errors of this site, for this status,
// writes the body. A server has the error routes of all of its sites.
func hasErrorRoutes(r *http.Request, refusal error) bool {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server == nil || server.Errors == nil {
		return false
	}
	return handled(server.Errors.Routes, server.Errors.WithError(r, refusal))
}

// handled reports whether some route has a handler for the request.
func handled(routes caddyhttp.RouteList, r *http.Request) bool {
	return slices.ContainsFunc(routes, func(route caddyhttp.Route) bool {
		if matches, err := route.MatcherSets.AnyMatchWithError(r); err != nil || !matches {
			return false
		}
		return slices.ContainsFunc(route.Handlers, func(handler caddyhttp.MiddlewareHandler) bool {
			nested, ok := handler.(*caddyhttp.Subroute)
			return !ok || handled(nested.Routes, r)
		})
	})
}

// category is the word for the error in x-ms-diagnostics.
func category(answer reason.Answer) string {
	if answer.Error != "" {
		return answer.Error
	}
	return strings.ReplaceAll(strings.ToLower(http.StatusText(answer.Status)), " ", "_")
}

// problem is the body of a refusal (RFC 9457).
type problem struct {
	Title         string `json:"title"`
	Status        int    `json:"status"`
	Detail        string `json:"detail"`
	Code          int    `json:"code"`
	SessionCode   int    `json:"sign_in_session_status_code"`
	CorrelationID string `json:"correlation_id"`
}

func writeBody(w http.ResponseWriter, r *http.Request, decision *enforcement.Decision, answer reason.Answer) {
	body := problem{
		Title: "Blocked by token protection", Status: answer.Status, Detail: answer.Detail,
		Code: signin.BlockedByTokenProtection, SessionCode: answer.Code, CorrelationID: decision.CorrelationID(),
	}
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	if prefersHTML(r.Header.Values("Accept")) {
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		w.WriteHeader(answer.Status)
		if r.Method != http.MethodHead {
			_ = page.Execute(w, pageFacts{body, adviceFor(decision)}) // the client may be gone
		}
		return
	}
	header.Set("Content-Type", "application/problem+json")
	w.WriteHeader(answer.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(body)
	}
}

// prefersHTML reports whether text/html weighs more than JSON (RFC 9110,
// section 12.5.1). A client that does not care gets JSON.
func prefersHTML(accept []string) bool {
	html, other := 0.0, 0.0
	for _, field := range accept {
		for element := range strings.SplitSeq(field, ",") {
			mediaType, parameters, _ := strings.Cut(element, ";")
			weight := quality(parameters)
			switch strings.ToLower(strings.TrimSpace(mediaType)) {
			case "text/html", "application/xhtml+xml":
				html = max(html, weight)
			case "application/json", "application/problem+json":
				other = max(other, weight)
			}
		}
	}
	return html > other
}

func quality(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, "q") {
			if weight, err := strconv.ParseFloat(value, 64); err == nil && weight >= 0 && weight <= 1 {
				return weight
			}
			return 0
		}
	}
	return 1
}
