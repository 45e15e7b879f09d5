// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func TestAdminShowsTheSignInsOfThisProcess(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	config := setup{issuer: i, app: policyOn}
	config.load(t)
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	hostile := jwt.MapClaims{"upn": `<script>alert(1)</script>"'@evil.example`, "oid": "user-2"}
	expectStatus(t, send(t, request("/ews", "Bearer "+i.token(t, hostile))), http.StatusUnauthorized)

	answer := ask(t, get("insights"))
	expectStatus(t, answer, http.StatusOK)
	page := answer.Body.String()
	header := answer.Header()
	if header.Get("Content-Type") != "text/html; charset=utf-8" || header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("header %v", header)
	}
	if !strings.Contains(page, "2 requests in 2 sign-in records") || !strings.Contains(page, "alice@contoso.example") || !strings.Contains(page, "token_unbound") {
		t.Errorf("the decisions just made are missing:\n%s", page)
	}
	if strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;script&gt;alert(1)") {
		t.Errorf("a user's name is not escaped:\n%s", page)
	}

	// The next configuration goes on with them.
	config.app = policyReportOnly
	config.load(t)
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	if page := ask(t, get("insights")).Body.String(); !strings.Contains(page, "3 requests in 3 sign-in records") {
		t.Errorf("after a reload:\n%s", page)
	}
}

func TestAdminInsightsTakesTheFiltersOfThePage(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn}.load(t)
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	answer := ask(t, get("insights?policy=on&range=24h&from=&to=&user=alice&app=&search=&outcome=failure"))
	if expectStatus(t, answer, http.StatusOK); strings.Contains(answer.Body.String(), "No filter in force") {
		t.Errorf("no filter: %s", answer.Body)
	}
	for _, test := range []struct {
		r      *http.Request
		status int
	}{
		{get("insights?user=a&user=b"), http.StatusBadRequest},
		{get("insights?refresh=1"), http.StatusBadRequest},
		{httptest.NewRequest(http.MethodPost, adminPath+"insights", nil), http.StatusMethodNotAllowed},
		{httptest.NewRequest(http.MethodHead, adminPath+"insights", nil), http.StatusOK},
	} {
		expectStatus(t, ask(t, test.r), test.status)
	}
}
