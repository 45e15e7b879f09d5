// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device/revocation"
)

func post(path, body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, adminPath+path, strings.NewReader(body))
}

// revoked returns what the admin API lists.
func revoked(t *testing.T, answer *httptest.ResponseRecorder) []revocation.Entry {
	t.Helper()
	expectStatus(t, answer, http.StatusOK)
	return decode[struct{ Value []revocation.Entry }](t, answer.Body.Bytes()).Value
}

// What is revoked is refused from the next request on, and a reload forgets
// nothing.
func TestRevokedDeviceAndKeyAreRefused(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	s := setup{issuer: i, app: policyOn}
	s.load(t)
	for _, subject := range []string{`{"device": "{DEVICE-1}", "note": "lost"}`, `{"thumbprint": "` + device.Thumbprint() + `"}`} {
		expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
		if list := revoked(t, ask(t, post("revoke", subject))); len(list) != 1 {
			t.Errorf("revoked %v", list)
		}
		s.load(t)
		expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusUnauthorized)
		if list := revoked(t, ask(t, get("revocations"))); len(list) != 1 || list[0].Revoked.IsZero() {
			t.Errorf("revoked %v", list)
		}
		if list := revoked(t, ask(t, post("restore", subject))); len(list) != 0 {
			t.Errorf("revoked %v", list)
		}
	}
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
}

func TestRevocationsNameADeviceOrAKey(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyOn}.load(t)
	for _, test := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"nothing", "revoke", `{}`, http.StatusBadRequest, "expected either device"},
		{"both", "revoke", `{"device": "d", "thumbprint": "` + strings.Repeat("A", 43) + `"}`, http.StatusBadRequest, "expected either device"},
		{"no thumbprint", "revoke", `{"thumbprint": "short"}`, http.StatusBadRequest, "43 characters"},
		{"another member", "revoke", `{"user": "alice"}`, http.StatusBadRequest, "user"},
		{"a long note", "revoke", `{"device": "d", "note": "` + strings.Repeat("x", 300) + `"}`, http.StatusBadRequest, "note"},
		{"too long", "revoke", `{"note": "` + strings.Repeat("x", 5000) + `"}`, http.StatusRequestEntityTooLarge, "4096"},
		{"not revoked", "restore", `{"device": "d"}`, http.StatusNotFound, "nothing of that name"},
		{"restore nothing", "restore", `{}`, http.StatusBadRequest, "expected either device"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := ask(t, post(test.path, test.body))
			if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.says) {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
}
