// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

const (
	anaAtExchange = `{"signInIdentity": {"userId": "id-ana", "groups": [], "roles": []}, "signInContext": {"includeApplications": ["exchange"]},
		"signInConditions": {"clientAppType": "mobileAppsAndDesktopClients"}}`
	glassAtExchange = `{"signInIdentity": {"userId": "break-glass"}, "signInContext": {"includeApplications": ["00000002-0000-0ff1-ce00-000000000000"]}}`
)

func askWhatIf(t testing.TB, body string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, httptest.NewRequest(http.MethodPost, adminPath+"what-if", strings.NewReader(body)))
}

func TestAdminAnswersWhatThePoliciesInForceWouldMakeOfASignIn(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyOn}.load(t)
	for body, want := range map[string]string{anaAtExchange: "block failure notSet", glassAtExchange: "allow notApplied users"} {
		answer := askWhatIf(t, body)
		expectStatus(t, answer, http.StatusOK)
		got := decode[policy.WhatIfResponse](t, answer.Body.Bytes())
		if len(got.Value) != 1 || got.Decision+" "+got.Value[0].Result+" "+got.Value[0].AnalysisReasons != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

// What a reload or a changed policies file puts in force is what is asked.
func TestAdminWhatIfFollowsThePolicies(t *testing.T) {
	i := newIssuer(t)
	file := filepath.Join(t.TempDir(), "policies.json")
	write := func(state string) {
		t.Helper()
		text := `{"displayName": "Live", "state": "` + state + `", "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["exchange"]}},
			"sessionControls": {"secureSignInSession": {"isEnabled": true}}}`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	decision := func() string {
		t.Helper()
		return decode[policy.WhatIfResponse](t, askWhatIf(t, anaAtExchange).Body.Bytes()).Decision
	}
	write("enabledForReportingButNotEnforced")
	setup{issuer: i, app: "policies_file " + file}.load(t)
	if got := decision(); got != policy.WhatIfAllow {
		t.Errorf("report-only: %s", got)
	}
	write("enabled")
	running(t).replacePolicies()
	if got := decision(); got != policy.WhatIfBlock {
		t.Errorf("on: %s", got)
	}
	setup{issuer: i, app: policyReportOnly}.load(t)
	if got := decision(); got != policy.WhatIfAllow {
		t.Errorf("after a reload: %s", got)
	}
}

func TestAdminWhatIfSaysWhatIsWrong(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyOn}.load(t)
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		"": {http.StatusBadRequest, "the body: line 1, column 1"},
		`{"signInIdentity": {"userId": "a"}, "signInContext": {"includeApplications": ["exchagne"]}}`: {http.StatusBadRequest, `signInContext.includeApplications: "exchagne" is no resource of the configuration; expected one of exchange, sharepoint`},
		strings.Replace(anaAtExchange, "userId", "UserId", 1):                                         {http.StatusBadRequest, `signInIdentity.UserId: must be written "userId"`},
		anaAtExchange + strings.Repeat(" ", policy.MaxWhatIfSize):                                     {http.StatusRequestEntityTooLarge, "longer than 65536 bytes"},
	} {
		answer := askWhatIf(t, body)
		if answer.Code != want.status || !strings.Contains(answer.Body.String(), want.says) {
			t.Errorf("%.200s: %d %s", body, answer.Code, answer.Body)
		}
	}
}
