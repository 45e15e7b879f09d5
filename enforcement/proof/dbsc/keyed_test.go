// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// visit loads a page, as somebody who follows a link.
func (b *browser) visit(path string) *httptest.ResponseRecorder {
	r := b.request(http.MethodGet, path)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	return b.send(r)
}

// A copy of a session that was bound once cannot pass for one of a browser
// that has no keys, not even in what is left of the grace period.
func TestBoundSessionCannotGoWithoutItsProof(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	b.visit("/")
	if s.event != Keyed {
		t.Fatalf("event %q", s.event)
	}
	b.visit("/")
	if s.wantStatus(Bound); s.event != Nothing {
		t.Fatalf("event %q, the second time", s.event)
	}
	s.refused(b.thief("FedAuth", linkCookie).get("/").Code, Missing)
	other := s.enrolled("FedAuth=mallory-1; Path=/")
	thief := b.thief("FedAuth", linkCookie)
	thief.cookies[boundCookie] = other.cookies[boundCookie]
	s.refused(thief.get("/").Code, Mismatched)
	s.setCookies = []string{"FedAuth=alice-2; Path=/"}
	b.get("/") // rotation changes nothing about it
	s.refused(b.thief("FedAuth", linkCookie).get("/").Code, Missing)
}

// Requests that were on their way when the browser registered are not refused.
func TestRequestsDuringRegistrationAreInTheirGrace(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	late := b.thief("FedAuth", linkCookie)
	b.visit("/")
	wantCode(t, late.get("/"), http.StatusOK)
	s.wantStatus(Grace)
}

// An application that loads just one page: what comes at the same time as the
// sign-in may change the cookie, what comes later hardly does.
func TestRequestAfterTheGracePeriodMarksTheSession(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	if b.get("/poll"); s.event != Nothing {
		t.Fatalf("event %q in the grace period", s.event)
	}
	s.now = s.now.Add(DefaultGrace)
	if b.get("/poll"); s.event != Keyed {
		t.Fatalf("event %q after it", s.event)
	}
	s.refused(b.thief("FedAuth", linkCookie).get("/").Code, Missing)
}

// A rotation in the very first bound request says so, too.
func TestRotatingRequestMarksTheSession(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	s.setCookies = []string{"FedAuth=alice-2; Path=/"}
	if b.get("/"); s.event != Followed {
		t.Fatalf("event %q", s.event)
	}
	s.refused(b.thief("FedAuth", linkCookie).get("/").Code, Missing)
}

// What a cache may hand to others has no cookie of ours in it.
func TestSharedResponseDoesNotMarkTheSession(t *testing.T) {
	for control, shared := range map[string]bool{
		"public, max-age=60": true, "max-age=1, S-MaxAge=60": true, "private": false, "no-store": false, "max-age=60": false, "x-public": false,
	} {
		s := newSite(t)
		b := s.enrolled()
		s.fields = http.Header{"Cache-Control": {control}}
		w := b.visit("/logo.png")
		if got := strings.Contains(strings.Join(w.Header()["Set-Cookie"], ""), linkCookie); got == shared {
			t.Errorf("Cache-Control %q: our cookie is in it: %v", control, got)
		}
	}
}

// A browser that lost its key is sent to sign in: it cannot renew anything.
func TestSessionWhoseKeyIsLostLosesItsCookies(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	b.visit("/")
	delete(b.cookies, boundCookie)
	wantCode(t, b.get("/"), http.StatusUnauthorized)
	if len(b.cookies) > 0 {
		t.Fatalf("cookies %v", b.cookies)
	}
}

// Somebody whom the policies let off, with a browser that has no keys, stays
// known when the application slides his cookie, and gains nothing by it.
func TestUserOfAnUnprovenSessionIsKnownAfterRotation(t *testing.T) {
	s := newSite(t)
	s.report = true
	b := s.newBrowser()
	s.user = "bob@contoso.example"
	b.signIn("FedAuth=bob-1; Path=/")
	s.now = s.now.Add(DefaultGrace)
	for _, value := range []string{"bob-2", "bob-3"} {
		s.setCookies = []string{"FedAuth=" + value + "; Path=/"}
		if b.get("/"); s.event != Ignored {
			t.Fatalf("event %q", s.event)
		}
		b.get("/")
		if s.wantStatus(Unproven); s.state.User != "bob@contoso.example" {
			t.Fatalf("user %q", s.state.User)
		}
	}
	b.register()
	b.get("/")
	s.wantStatus(Unproven)
}

// What was set in a request that proved nothing is not bound, not even for
// the session's own key.
func TestRotationInAnUnprovenRequestIsNeverBound(t *testing.T) {
	s := newSite(t)
	s.report = true
	b := s.newBrowser()
	s.user = "alice@contoso.example"
	b.signIn("FedAuth=alice-1; Path=/")
	wantCode(t, b.register(), http.StatusOK)
	for _, want := range []Status{Unproven, Missing} {
		if want == Missing {
			b.visit("/") // bound
		}
		thief := b.thief()
		s.now = s.now.Add(DefaultBoundLife)
		s.setCookies = []string{"FedAuth=alice-2; Path=/"}
		thief.get("/")
		s.now = s.now.Add(-DefaultBoundLife) // as if he had the owner's next proof
		for range 2 {
			thief.get("/")
			s.wantStatus(want)
		}
	}
}
