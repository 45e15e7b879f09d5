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
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// refusals holds the texts of challenges, which are the same for every request.
type refusals struct {
	realm      string // `realm="..."`, or empty
	algorithms string // `algs="..."`
}

func newRefusals(realm string, algorithms []jose.Algorithm) refusals {
	names := make([]string, len(algorithms))
	for i, algorithm := range algorithms {
		names[i] = string(algorithm)
	}
	c := refusals{algorithms: `algs="` + strings.Join(names, " ") + `"`}
	if realm != "" {
		c.realm = `realm="` + realm + `"`
	}
	return c
}

// refuse answers a request that may not pass. The status and the headers are
// ours; the body is that of the site's error routes, if it has any.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, decision *enforcement.Decision) error {
	answer := decision.Reason.Answer()
	header := w.Header()
	h.refusals.challenge(header, decision, answer)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Ms-Diagnostics", fmt.Sprintf(`%d;reason="%s";error_category="%s"`,
		signin.BlockedByTokenProtection, answer.Detail, category(answer)))
	if decision.Nonce != "" {
		header.Set("Dpop-Nonce", decision.Nonce)
	}
	if decision.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(decision.RetryAfter/time.Second)))
	}
	if answer.Status == http.StatusMethodNotAllowed {
		header.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS") // RFC 9110, section 15.5.6
	}
	if r.Header.Get("Origin") != "" { // RFC 9449, sections 7.1 and 8: without it a browser's client is blind
		header.Add("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
	}
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

// challenge writes one WWW-Authenticate line per scheme (RFC 9110, section
// 11.6.1). The error stands in the scheme that was tried, where the token was
// at fault, and else in the scheme that would work (RFC 9449, section 7.2).
func (c refusals) challenge(header http.Header, decision *enforcement.Decision, answer reason.Answer) {
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusBadRequest, http.StatusForbidden:
	default:
		return
	}
	name, tokenAtFault := tried(decision)
	if !tokenAtFault {
		header.Add("WWW-Authenticate", c.line("DPoP", answer, true))
		return
	}
	header.Add("WWW-Authenticate", c.line(name, answer, false))
	header.Add("WWW-Authenticate", c.line("DPoP", reason.Answer{}, true))
}

// tried returns the scheme that the client used, and whether the error
// belongs there: the token itself was bad, and it did not come under DPoP.
func tried(decision *enforcement.Decision) (string, bool) {
	if decision.Claims != nil || decision.Reason.Answer().Error != reason.InvalidToken {
		return "", false
	}
	switch decision.Credential.Scheme {
	case enforcement.SchemeBearer:
		return "Bearer", true
	case enforcement.SchemePoP:
		return "PoP", true
	case enforcement.SchemeMTLS:
		return "mtls_pop", true
	}
	return "", false
}

func (c refusals) line(scheme string, answer reason.Answer, algorithms bool) string {
	var parameters []string
	if c.realm != "" {
		parameters = append(parameters, c.realm)
	}
	if answer.Error != "" {
		parameters = append(parameters, `error="`+answer.Error+`"`, `error_description="`+answer.Detail+`"`)
	}
	if algorithms {
		parameters = append(parameters, c.algorithms)
	}
	return scheme + " " + strings.Join(parameters, ", ")
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
			_ = page.Execute(w, body) // the client may be gone
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
