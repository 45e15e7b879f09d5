// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestEndpointsAreOurs: nothing below their path reaches the backend, in any
// spelling, and nobody but the browser itself may ask them.
func TestEndpointsAreOurs(t *testing.T) {
	server := webServer(t, "")
	b := enrolled(t, server)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPost} {
		for path, want := range map[string]int{
			"/register": http.StatusForbidden, "/refresh": http.StatusOK, "/refresh/": http.StatusNotFound, "/%72efresh": http.StatusNotFound,
			"/x/../refresh": http.StatusNotFound, "//refresh": http.StatusNotFound, "": http.StatusNotFound,
		} {
			r := b.Post("refresh", b.Proof(nil, nil))
			r.Method, r.Path = method, harness.DBSCPath+path
			r.Header.Set("Access-Control-Request-Method", "POST")
			if want != http.StatusNotFound && method != http.MethodPost {
				want = http.StatusMethodNotAllowed
			}
			got := b.Send(r)
			if got.Status != want || len(got.Arrivals()) > 0 || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: status %d, %d arrivals, %v; expected %d", method, r.Path, got.Status, len(got.Arrivals()), got.Header, want)
			}
			for name := range got.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s: %s", method, r.Path, name)
				}
			}
		}
	}
}

// TestScopeIsTheWholeOrigin: the instructions leave out no path, as the policy
// does not either.
func TestScopeIsTheWholeOrigin(t *testing.T) {
	var told struct {
		Scope struct {
			Origin        string
			IncludeSite   bool  `json:"include_site"`
			Specification []any `json:"scope_specification"`
		}
		Credentials []struct{ Name, Attributes string }
	}
	got := signedIn(t, webServer(t, "")).Register()
	if err := json.Unmarshal([]byte(got.Body), &told); err != nil {
		t.Fatal(err)
	}
	if told.Scope.Origin != harness.Origin || told.Scope.IncludeSite || len(told.Scope.Specification) > 0 || len(told.Credentials) != 1 {
		t.Errorf("%s", got.Body)
	}
	for _, field := range got.Header["Set-Cookie"] {
		if attributes, ok := strings.CutPrefix(field, harness.BoundCookie+"="); ok {
			_, attributes, _ = strings.Cut(attributes, "; ")
			if attributes, _, _ = strings.Cut(attributes, "; Max-Age="); attributes != told.Credentials[0].Attributes {
				t.Errorf("attributes %q, but %q in the instructions: a browser would refresh before each request", attributes, told.Credentials[0].Attributes)
			}
		}
	}
}

// TestSignOutEndsTheBoundSession, copies included.
func TestSignOutEndsTheBoundSession(t *testing.T) {
	server := webServer(t, "")
	b := enrolled(t, server)
	thief, refresh := b.Thief(), b.Post("refresh", b.Proof(nil, nil))
	expect(t, thief.Do(thief.Request(http.MethodGet, webPage)), http.StatusOK) // the honest limit
	expect(t, b.Get("/app/signout"), http.StatusSeeOther)
	if len(b.Cookies) > 0 {
		t.Errorf("cookies are left: %d", len(b.Cookies))
	}
	refused(t, server, thief.Do(thief.Request(http.MethodGet, webPage)), "session_ended")
	if got := b.Do(refresh); got.Status != http.StatusOK || got.Body != `{"continue":false}` || len(got.Header["Set-Cookie"]) > 0 {
		t.Errorf("refresh: status %d %s", got.Status, got.Body)
	}
}

// TestRotationStaysBound where it was proven, and so does a sign-in
// anew in the same browser.
func TestRotationStaysBound(t *testing.T) {
	server := webServer(t, "")
	b := enrolled(t, server)
	before := b.Thief(harness.AppCookie)
	expect(t, b.Get("/app/rotate"), http.StatusOK)
	for _, user := range []string{"alice", "bob"} {
		got := b.Get(webPage)
		if got.Body != "Hello "+user {
			t.Errorf("status %d %q", got.Status, got.Body)
		}
		b.Get("/public/signin?user=bob")
	}
	thief := b.Thief()
	thief.Cookies[harness.AppCookie] = before.Cookies[harness.AppCookie]
	refused(t, server, thief.Do(thief.Request(http.MethodGet, webPage)), "session_mismatched")
}

// TestBackendCannotSpeakForUs: its own device-bound sessions would widen ours
// or end it, in an informational response as in a final one.
func TestBackendCannotSpeakForUs(t *testing.T) {
	server := webServer(t, "")
	server.World.Backend.Handle("/app/evil", func(w http.ResponseWriter, _ *http.Request) {
		for _, status := range []int{http.StatusEarlyHints, http.StatusOK} {
			w.Header().Set("Secure-Session-Registration", `(ES256);path="/evil";challenge="x"`)
			w.Header().Set("Secure-Session-Challenge", `"x";id="y"`)
			w.Header().Set("Sec-Session-Registration", "x")
			w.Header()["Set-Cookie"] = []string{harness.BoundCookie + "=evil; Path=/; Secure", "theme=dark"}
			w.WriteHeader(status)
		}
	})
	for _, protocol := range harness.Protocols {
		b := signedInOver(t, server, protocol)
		expect(t, b.Register(), http.StatusOK)
		got := b.Get("/app/evil")
		expect(t, got, http.StatusOK)
		if cookies := got.Header["Set-Cookie"]; len(cookies) != 1 || cookies[0] != "theme=dark" {
			t.Errorf("%v: cookies %q", protocol, cookies)
		}
		for _, name := range []string{"Secure-Session-Registration", "Secure-Session-Challenge", "Sec-Session-Registration"} {
			if got.Header.Get(name) != "" {
				t.Errorf("%v: %s", protocol, name)
			}
		}
	}
	informed := server.Informed(t, enrolled(t, server).Request(http.MethodGet, "/app/evil"))
	if len(informed) != 1 {
		t.Fatalf("%d informational responses", len(informed))
	}
	for name := range informed[0] {
		if name == "Set-Cookie" || strings.Contains(name, "Session") {
			t.Errorf("%s in an informational response", name)
		}
	}
}

// TestGroundIsPreparedWhileNothingIsEnforced: sessions are adopted and bound,
// and nobody is refused for being unbound.
func TestGroundIsPreparedWhileNothingIsEnforced(t *testing.T) {
	world := harness.NewWorld(t)
	world.Backend.WebApp()
	server := world.Start(t, harness.Options{Handler: boundSessions("grace 1s"), Policies: harness.PolicyReportOnly})
	b := enrolled(t, server)
	expect(t, b.Get(webPage), http.StatusOK)
	thief := b.Thief(harness.AppCookie)
	got := thief.Do(thief.Request(http.MethodGet, webPage))
	if got.Status != http.StatusOK || got.Body != "Hello alice" || len(got.Header["Set-Cookie"]) > 0 {
		t.Errorf("status %d %q, cookies %q", got.Status, got.Body, got.Header["Set-Cookie"])
	}
	harness.Eventually(t, "the records of both", func() bool {
		var bound, failed bool
		for _, record := range server.Records(t) {
			bound = bound || record.ProofScheme == "dbsc" && strings.Contains(record.ConditionalAccessPolicies, "reportOnlySuccess")
			failed = failed || record.Status.AdditionalDetails == "session_unproven" && strings.Contains(record.ConditionalAccessPolicies, "reportOnlyFailure")
		}
		return bound && failed
	})
}
