// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// ask sends a request to the admin endpoints, as Caddy's admin server would.
func ask(t testing.TB, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	for _, route := range (Admin{}).Routes() {
		if route.Pattern != r.URL.Path {
			continue
		}
		var problem caddy.APIError
		switch err := route.Handler.ServeHTTP(recorder, r); {
		case errors.As(err, &problem):
			recorder.WriteHeader(problem.HTTPStatus)
			_, _ = io.WriteString(recorder, problem.Error())
		case err != nil:
			t.Fatal(err)
		}
		return recorder
	}
	t.Fatalf("no route %s", r.URL.Path)
	return nil
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, adminPath+path, nil) }

func TestAdminRefusesWhatARouteDoesNotTake(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyOn}.load(t)
	for _, test := range []struct {
		name   string
		r      *http.Request
		status int
		says   string
	}{
		{"another method", httptest.NewRequest(http.MethodPost, adminPath+"status", nil), http.StatusMethodNotAllowed, "GET"},
		{"a parameter", get("status?last=5"), http.StatusBadRequest, "expected none"},
		{"a semicolon", get("status?a;b"), http.StatusBadRequest, "malformed"},
		{"a long query", get("status?" + strings.Repeat("a", 5000)), http.StatusBadRequest, "longer than 4096"},
		{"a body", httptest.NewRequest(http.MethodGet, adminPath+"status", strings.NewReader("{}")), http.StatusBadRequest, "no body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := ask(t, test.r)
			if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.says) {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
	if answer := ask(t, httptest.NewRequest(http.MethodHead, adminPath+"ready", nil)); answer.Code != http.StatusOK {
		t.Errorf("HEAD: %d", answer.Code)
	}
}

// What further routes take is bounded by the table, not by each of them.
func TestAdminBoundsQueryAndBody(t *testing.T) {
	setup{issuer: newIssuer(t), app: policyOn}.load(t)
	type input struct{ Name string }
	route := adminRoute{name: "x", method: http.MethodPost, query: []string{"a"}, body: 20,
		serve: func(_ *App, r *http.Request, _ time.Time) (int, any, error) {
			var in input
			err := decodeAdminBody(r, &in)
			return http.StatusOK, in, err
		}}
	for _, test := range []struct {
		query, body string
		status      int
	}{
		{"?a=1", `{"Name":"b"}`, 0},
		{"?a=1&a=2", `{"Name":"b"}`, http.StatusBadRequest},
		{"?b=1", `{"Name":"b"}`, http.StatusBadRequest},
		{"", `{"Name":"b"}{}`, http.StatusBadRequest},
		{"", `{"Other":"b"}`, http.StatusBadRequest},
		{"", `{"Name":"` + strings.Repeat("b", 20) + `"}`, http.StatusRequestEntityTooLarge},
		{"", "", http.StatusBadRequest},
	} {
		r := httptest.NewRequest(http.MethodPost, adminPath+"x"+test.query, strings.NewReader(test.body))
		err := route.answer(httptest.NewRecorder(), r)
		var problem caddy.APIError
		if errors.As(err, &problem); problem.HTTPStatus != test.status {
			t.Errorf("%s %s: %d %v, expected %d", test.query, test.body, problem.HTTPStatus, err, test.status)
		}
	}
}

func TestAdminModuleIsRegistered(t *testing.T) {
	module, err := caddy.GetModule("admin.api.token_protection")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := module.New().(caddy.AdminRouter); !ok {
		t.Error("it has no routes")
	}
}

// A policy is told apart from others by its resources alone: its other
// conditions, and what else it protects, do not matter.
func TestStatusShowsPoliciesWithConditionsAndSeveralResources(t *testing.T) {
	s := setup{issuer: newIssuer(t), app: `
		named_location Office {
			ranges 192.0.2.0/24
		}
		policy Inside {
			state on
			users {
				include all
				exclude user break-glass
			}
			resources wiki calendar
			locations Office
		}
`, sites: "http://wiki.contoso.example {\n\tbind unix/SOCKET\n\ttoken_protection wiki\n\ttoken_protection /a calendar\n}"}
	s.load(t)
	for _, resource := range decode[status](t, ask(t, get("status")).Body.Bytes()).Resources {
		want := resourceStatus{Name: resource.Name, DisplayName: resource.DisplayName, AppID: resource.AppID, Mode: "on", Policies: []string{"inside"}}
		if resource.Name == "exchange" {
			want.Mode, want.Policies = "off", []string{}
		}
		if !reflect.DeepEqual(resource, want) {
			t.Errorf("%+v, expected %+v", resource, want)
		}
	}
}

func TestStatusShowsWhatRuns(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	s := setup{issuer: i, app: policyOn + strings.Replace(strings.Replace(policyReportOnly, "Pilot", "Files", 1), "resources exchange", "resources sharepoint", 1),
		sites: "http://files.contoso.example {\n\tbind unix/SOCKET\n\ttoken_protection sharepoint\n}\nhttp://wiki.contoso.example {\n\tbind unix/SOCKET\n\ttoken_protection wiki\n\ttoken_protection /a wiki\n}"}
	s.load(t)
	passing := proven(t, i, device, "/ews")
	expectStatus(t, send(t, passing), http.StatusOK)
	refused := request("/ews", "Bearer "+i.token(t, confirmedBy(device)))
	expectStatus(t, send(t, refused), http.StatusUnauthorized)

	answer := ask(t, get("status"))
	expectStatus(t, answer, http.StatusOK)
	if kind := answer.Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("type %s", kind)
	}
	got := decode[status](t, answer.Body.Bytes())
	modes := make(map[string]string)
	for _, resource := range got.Resources {
		modes[resource.Name] = resource.Mode + " " + strings.Join(resource.Policies, ",")
	}
	if len(modes) != 3 || len(got.Resources) != 3 || modes["exchange"] != "on pilot" || modes["sharepoint"] != "report_only files" || modes["wiki"] != "off " {
		t.Errorf("resources %+v", got.Resources)
	}
	if len(got.Policies) != 2 || got.Policies[0] != (policyStatus{"pilot", "Pilot", "on", 100}) || got.Policies[1].State != "report_only" {
		t.Errorf("policies %+v", got.Policies)
	}
	if len(got.KeySets) != 1 || got.KeySets[0].Issuer != issuerName || got.KeySets[0].Keys != 1 || got.KeySets[0].Expired || got.KeySets[0].Fault != "" || got.KeySets[0].Fetched == nil {
		t.Errorf("key sets %+v", got.KeySets)
	}
	if len(got.ReplaySets) != 2 || got.ReplaySets[0].Entries == 0 || got.ReplaySets[0].Watermark.IsZero() || got.ReplaySets[1].Scheme != "pop" {
		t.Errorf("replay sets %+v", got.ReplaySets)
	}
	if len(got.Caches) != 2 || got.Caches[0].Misses == 0 {
		t.Errorf("caches %+v", got.Caches)
	}
	if !got.Ready || got.Version == "" || got.Clock.BeforeBuild || time.Since(got.Clock.Now) > time.Minute || got.Uptime < 0 {
		t.Errorf("process %+v", got)
	}
	if got.SignInLog.Interval != 300 || got.SignInLog.Kinds != 2 || got.SignInLog.Folds != 0 || got.SignInLog.Records < 2 {
		t.Errorf("sign-in log %+v", got.SignInLog)
	}
	if len(got.LastDecisions) < 2 {
		t.Fatalf("last decisions %+v", got.LastDecisions)
	}
	last, former := got.LastDecisions[0], got.LastDecisions[1]
	if last.Decision != "block" || last.Code != 1008 || last.Reason != "scheme_mismatch" || last.Requests != 1 || last.CorrelationID == "" {
		t.Errorf("last decision %+v", last)
	}
	if former.Decision != "allow" || former.Scheme != "dpop" || former.Thumbprint != device.Thumbprint() || former.User != "alice@contoso.example" {
		t.Errorf("the one before %+v", former)
	}
	for _, r := range []*http.Request{passing, refused} {
		for _, secret := range []string{strings.SplitN(r.Header.Get("Authorization"), " ", 2)[1], r.Header.Get("Dpop")} {
			for _, part := range strings.Split(secret, ".") {
				if len(part) > 20 && strings.Contains(answer.Body.String(), part) {
					t.Error("the status has a secret in it")
				}
			}
		}
	}
}

func TestNothingRunsNoStatus(t *testing.T) {
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if answer := ask(t, get("status")); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("status: %d %s", answer.Code, answer.Body)
	}
	answer := ask(t, get("ready"))
	if got := decode[readiness](t, answer.Body.Bytes()); answer.Code != http.StatusServiceUnavailable || got.Ready || got.Reason == "" {
		t.Errorf("ready: %d %+v", answer.Code, got)
	}
}
