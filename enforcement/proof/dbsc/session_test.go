// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
)

func TestSignInOffersRegistration(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	w := b.signIn("FedAuth=alice-1; Path=/; Secure; HttpOnly")
	if s.event != Offered {
		t.Fatalf("event %q, want offered", s.event)
	}
	offer := w.Header().Get("Secure-Session-Registration")
	if !strings.HasPrefix(offer, `(ES256 RS256);path="/.token-protection/dbsc/register";challenge="`) {
		t.Fatalf("offer %q", offer)
	}
	for _, cookie := range w.Header()["Set-Cookie"] {
		if strings.Contains(cookie, quoted(offer, "challenge=")) {
			t.Fatal("the challenge is in a cookie, which thieves copy")
		}
	}
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Grace)
}

func TestRegistrationBinds(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
	if s.state.Binding.Scheme != proof.DBSC || s.state.Binding.Key == [32]byte{} || !s.state.Binding.IssuedAt.Equal(epoch) || s.state.Binding.ID != "" {
		t.Fatalf("binding %+v", s.state.Binding)
	}
	if s.state.Session != b.session {
		t.Fatalf("session %q, want %q", s.state.Session, b.session)
	}
}

// The attributes in the instructions must be those of Set-Cookie, or the
// browser refreshes before every request; with Max-Age it takes no session.
func TestInstructionsRepeatTheCookiesAttributes(t *testing.T) {
	for _, sameSite := range []string{"; SameSite=Lax", "; SameSite=Strict", "; SameSite=None", ""} {
		s := newSite(t)
		b := s.newBrowser()
		b.signIn("FedAuth=alice-1; Path=/; Secure; HttpOnly" + sameSite)
		for _, w := range []*http.Response{b.register().Result(), b.refresh().Result()} {
			var got instructions
			if err := json.NewDecoder(w.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			want := boundCookie + "="
			var found bool
			for _, field := range w.Header["Set-Cookie"] {
				if rest, ok := strings.CutPrefix(field, want); ok {
					_, set, _ := strings.Cut(rest, "; ")
					found = set == got.Credentials[0].Attributes+"; Max-Age=600"
				}
			}
			if !found || strings.Contains(got.Credentials[0].Attributes, "Max-Age") || !strings.HasSuffix(got.Credentials[0].Attributes, "HttpOnly"+sameSite) {
				t.Errorf("instructions %+v do not fit %q", got.Credentials, w.Header["Set-Cookie"])
			}
			if got.Scope.Origin != origin || got.RefreshURL != DefaultPath+"/refresh" {
				t.Errorf("instructions %+v", got)
			}
		}
	}
}

func TestRefreshRenewsAfterExpiry(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	for range 5 {
		s.now = s.now.Add(DefaultBoundLife + time.Second)
		wantCode(t, b.send(b.post("refresh", "")), http.StatusForbidden) // the next challenge lives shorter than the cookie
		wantCode(t, b.refresh(), http.StatusOK)
		wantCode(t, b.get("/"), http.StatusOK)
		s.wantStatus(Bound)
	}
}

func TestEveryGrantCarriesTheNextChallenge(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	seen := map[string]bool{}
	for i := range 5 {
		w := b.refresh
		if i == 0 {
			w = b.register
		}
		got := w()
		wantCode(t, got, http.StatusOK)
		next := got.Header().Get("Secure-Session-Challenge")
		if !strings.HasSuffix(next, `";id="`+b.session+`"`) || seen[b.challenge] {
			t.Fatalf("challenge %q", next)
		}
		seen[b.challenge] = true
	}
}

func TestAnyNodeServesAnyRequest(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	for range 3 {
		s.addNode()
	}
	b.signIn("FedAuth=alice-1; Path=/")
	b.node = 1
	wantCode(t, b.register(), http.StatusOK)
	b.node = 2
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
	b.node = 3
	wantCode(t, b.refresh(), http.StatusOK)
}

// After a restart, or on a node that began later, what was used before is
// unknown: an older challenge is answered with a new one.
func TestRestartCostsOneRoundTrip(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	s.now = s.now.Add(time.Minute)
	s.addNode()
	b.node = 1
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
	wantCode(t, b.refresh(), http.StatusForbidden)
	wantCode(t, b.refresh(), http.StatusOK)
}

func TestSecretsRotate(t *testing.T) {
	next := []byte(strings.Repeat("n", 32))
	s := newSite(t, func(c *Config) { c.Secrets = [][]byte{secret, next} })
	s.addNode(func(c *Config) { c.Secrets = [][]byte{next, secret} })
	s.addNode(func(c *Config) { c.Secrets = [][]byte{next} })
	b := s.enrolled()
	b.node = 1
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
	b.node = 2
	wantCode(t, b.get("/"), http.StatusUnauthorized)

	b = s.newBrowser()
	b.node = 1
	b.signIn("FedAuth=bob-1; Path=/")
	wantCode(t, b.register(), http.StatusOK)
	b.node = 2
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
}

// A clock that is set back must not lengthen a proof's life, one that is set
// forward must not end the session.
func TestClockSteps(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	s.now = epoch.Add(10 * time.Minute)
	wantCode(t, b.refresh(), http.StatusForbidden)
	wantCode(t, b.refresh(), http.StatusOK)

	s.now = epoch
	wantCode(t, b.get("/"), http.StatusUnauthorized)
	s.wantStatus(Expired)
	if _, kept := b.cookies[boundCookie]; kept {
		t.Fatal("the browser was not made to refresh")
	}
	wantCode(t, b.refresh(), http.StatusForbidden)
	wantCode(t, b.refresh(), http.StatusOK)
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
}

func TestSessionLivesAsLongAsTheApplicationsCookie(t *testing.T) {
	s := newSite(t)
	b := s.enrolled("FedAuth=alice-1; Path=/; Max-Age=2592000") // thirty days
	s.now = s.now.Add(29 * 24 * time.Hour)
	b.refresh()
	wantCode(t, b.refresh(), http.StatusOK)
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
}

func TestIdleSessionEnds(t *testing.T) {
	s := newSite(t)
	b := s.enrolled("FedAuth=alice-1; Path=/")
	b.expires = nil // a browser that keeps what it should not
	s.now = s.now.Add(DefaultSessionLife)
	w := b.refresh()
	wantCode(t, w, http.StatusOK)
	if w.Body.String() != `{"continue":false}` || s.served.Event != Stopped {
		t.Fatalf("answer %q, %+v", w.Body, s.served)
	}
}

func TestUserNamedAtSignInIsKept(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	s.user = "alice@contoso.example"
	b.signIn("FedAuth=alice-1; Path=/")
	b.register()
	b.get("/")
	if s.state.User != "alice@contoso.example" {
		t.Fatalf("user %q", s.state.User)
	}
	s.setCookies = []string{"FedAuth=alice-2; Path=/"} // rotated, nobody named
	b.get("/")
	b.get("/")
	s.wantStatus(Bound)
	if s.state.User != "alice@contoso.example" {
		t.Fatalf("user %q after rotation", s.state.User)
	}
	s.now = s.now.Add(DefaultBoundLife)
	b.get("/")
	if s.wantStatus(Missing); s.state.User != "alice@contoso.example" {
		t.Fatalf("user %q without proof: policies on users need it", s.state.User)
	}
}

// Some applications keep an anonymous session's cookie through the sign-in.
func TestUserNamedLaterIsLearned(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	s.user = "bob@contoso.example"
	b.get("/signin/complete")
	if s.event != Followed {
		t.Fatalf("event %q", s.event)
	}
	b.get("/")
	s.wantStatus(Bound)
	if s.state.User != "bob@contoso.example" {
		t.Fatalf("user %q", s.state.User)
	}
	s.user = "evil\nname"
	b.get("/")
	if s.event != Nothing {
		t.Fatal("a name with a line break was kept")
	}
}

func TestSeveralCookiesAreBoundTogether(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	s.setCookies = []string{"rtFa=alice-r; Path=/"} // a moment later, still in the grace period
	b.get("/next")
	if s.event != Followed {
		t.Fatalf("event %q", s.event)
	}
	wantCode(t, b.register(), http.StatusOK)
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
	for _, name := range []string{"rtFa", "FedAuth"} { // SameSite may keep one of them back
		one := b.thief()
		delete(one.cookies, name)
		wantCode(t, one.get("/"), http.StatusOK)
		s.wantStatus(Bound)
		one.cookies[name] = "stolen"
		s.refused(one.get("/").Code, Mismatched)
	}
}

// A cookie that a request did not carry is still the session's afterwards.
func TestRotationOfOneCookieKeepsTheOther(t *testing.T) {
	s := newSite(t)
	b := s.enrolled("FedAuth=alice-1; Path=/; SameSite=None; Secure", "rtFa=alice-r; Path=/; SameSite=Strict")
	r := b.request(http.MethodGet, "/")
	r.Header.Set("Cookie", strings.ReplaceAll(r.Header.Get("Cookie"), "rtFa=alice-r", "x=y"))
	s.setCookies = []string{"FedAuth=alice-2; Path=/; SameSite=None; Secure"}
	b.send(r)
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
}

// For a link from another site, and after a sign-in that another site posted,
// a browser sends to our endpoints only cookies with SameSite=None.
func TestEndpointsWithoutSameSiteCookies(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/; SameSite=Lax; Secure")
	stripped := func(r *http.Request) *http.Request {
		r.Header.Set("Cookie", keyCookie+"="+b.cookies[keyCookie])
		return r
	}
	wantCode(t, b.accept(b.send(stripped(b.post("register", b.registration())))), http.StatusOK)
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
	wantCode(t, b.accept(b.send(stripped(b.post("refresh", b.proof())))), http.StatusOK)
	if s.served.Session != b.session || s.served.Session == "" {
		t.Fatalf("%+v", s.served)
	}
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
	for _, field := range b.send(stripped(b.post("refresh", b.proof()))).Header()["Set-Cookie"] {
		if strings.HasPrefix(field, boundCookie) && !strings.Contains(field, "SameSite=Lax") {
			t.Fatalf("%q has not the application's SameSite", field)
		}
	}
	// But where the link comes, the application's cookie would have come, too.
	delete(b.cookies, "FedAuth")
	if w := b.refresh(); w.Body.String() != `{"continue":false}` {
		t.Fatalf("refresh after the application's cookie expired: %d %q", w.Code, w.Body)
	}
}

func TestBrowserThatNeverRegistersIsUnprovenAfterGrace(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/app; Secure") // and its cookie reaches no endpoint of ours
	if s.event != Unreachable || b.offer != "" {
		t.Fatalf("event %q, offer %q", s.event, b.offer)
	}
	s.now = s.now.Add(DefaultGrace)
	w := b.get("/app/")
	wantCode(t, w, http.StatusUnauthorized)
	s.wantStatus(Unproven)
	if len(b.cookies) != 0 || !strings.Contains(w.Header()["Set-Cookie"][0], "Path=/app") {
		t.Fatalf("the dead session locks its user out: %v, %q", b.cookies, w.Header()["Set-Cookie"])
	}
}

func TestNoOfferWithoutTLS(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Origin = func(*http.Request) string { return "http://app.example.test" } })
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	if s.event != Unreachable || len(b.cookies) != 1 {
		t.Fatalf("event %q, cookies %v", s.event, b.cookies)
	}
}

func TestRotationIsFollowedInAProvenRequest(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	session := b.session
	for _, value := range []string{"alice-2", "alice-3"} {
		s.setCookies = []string{"FedAuth=" + value + "; Path=/"}
		b.get("/")
		if s.event != Followed {
			t.Fatalf("event %q", s.event)
		}
		wantCode(t, b.get("/"), http.StatusOK)
		s.wantStatus(Bound)
	}
	wantCode(t, b.refresh(), http.StatusOK)
	if b.session != session {
		t.Fatal("rotation began another session")
	}
}

// A refresh that was on its way while the cookie changed must not undo that.
func TestRotationDuringRefresh(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	before := b.post("refresh", b.proof())
	s.setCookies = []string{"FedAuth=alice-2; Path=/"}
	b.get("/")
	wantCode(t, b.send(before), http.StatusOK)
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
}

// Likewise a registration.
func TestRotationDuringRegistration(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	before := b.post("register", b.registration())
	s.setCookies = []string{"FedAuth=alice-2; Path=/"}
	b.get("/")
	wantCode(t, b.accept(b.send(before)), http.StatusOK)
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
}

func TestGraceIsNotExtendedByRotation(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	s.now = s.now.Add(DefaultGrace - time.Second)
	s.setCookies = []string{"FedAuth=alice-2; Path=/"}
	b.get("/")
	s.now = s.now.Add(time.Second)
	wantCode(t, b.get("/"), http.StatusUnauthorized)
	s.wantStatus(Unproven)
}
