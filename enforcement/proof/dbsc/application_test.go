// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSignOutEndsTheSession(t *testing.T) {
	for name, out := range map[string]func(*site){
		"Max-Age":         func(s *site) { s.setCookies = []string{"FedAuth=x; Path=/; Max-Age=0"} },
		"Expires":         func(s *site) { s.setCookies = []string{"FedAuth=; Path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT"} },
		"empty value":     func(s *site) { s.setCookies = []string{"FedAuth=; Path=/"} },
		"Clear-Site-Data": func(s *site) { s.fields = http.Header{"Clear-Site-Data": {`"cache", "cookies"`}} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			b := s.enrolled()
			copied, refresh := b.thief(), b.post("refresh", b.proof())
			out(s)
			b.get("/signout")
			if s.event != SignedOut {
				t.Fatalf("event %q", s.event)
			}
			for _, name := range []string{linkCookie, boundCookie, keyCookie} {
				if b.cookies[name] != "" {
					t.Errorf("%s is still there", name)
				}
			}
			w := b.send(b.post("refresh", "")) // what the browser does next
			if w.Code != http.StatusOK || w.Body.String() != `{"continue":false}` {
				t.Fatalf("refresh after sign-out: %d %q", w.Code, w.Body)
			}
			s.refused(copied.get("/").Code, Ended)
			if w := s.serve(0, refresh); w.Body.String() != `{"continue":false}` {
				t.Fatalf("refresh from before the sign-out: %d %q", w.Code, w.Body)
			}
		})
	}
}

func TestSigningOutOfOneCookieOfSeveralIsNone(t *testing.T) {
	s := newSite(t)
	b := s.enrolled("FedAuth=alice-1; Path=/", "rtFa=alice-r; Path=/")
	s.setCookies = []string{"rtFa=; Path=/; Max-Age=0"}
	b.get("/")
	if s.event != Followed {
		t.Fatalf("event %q", s.event)
	}
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
}

// A response that deletes a cookie under a former path and sets it anew is no sign-out.
func TestCookieDeletedAndSetInOneResponse(t *testing.T) {
	for _, order := range [][]string{
		{"FedAuth=; Path=/old; Max-Age=0", "FedAuth=alice-2; Path=/"},
		{"FedAuth=alice-2; Path=/", "FedAuth=; Path=/old; Max-Age=0"},
	} {
		s := newSite(t)
		b := s.enrolled()
		s.setCookies = order
		r := b.request(http.MethodGet, "/")
		s.serve(0, r)
		if s.event != Followed {
			t.Errorf("event %q", s.event)
		}
	}
}

func TestSignInPageThatClearsTheWayChangesNothing(t *testing.T) {
	s := newSite(t)
	w := s.newBrowser().signIn("FedAuth=; Path=/; Max-Age=0")
	if s.event != Nothing || len(w.Header()["Set-Cookie"]) != 1 {
		t.Fatalf("event %q, %q", s.event, w.Header()["Set-Cookie"])
	}
}

func TestSigningInAgainBeginsAnotherSession(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	before, stale := b.session, b.cookies[boundCookie]
	s.setCookies = []string{"FedAuth=; Path=/; Max-Age=0"}
	b.get("/signout")
	b.cookies[boundCookie] = stale // a browser or a proxy that kept it
	b.signIn("FedAuth=bob-1; Path=/")
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Grace)
	wantCode(t, b.register(), http.StatusOK)
	if b.session == before {
		t.Fatal("the session is the same")
	}
	// The browser may still try to refresh the former one, and must give it up.
	r := b.post("refresh", b.proof())
	r.Header.Set("Sec-Secure-Session-Id", before)
	w := s.serve(0, r)
	if w.Code != http.StatusForbidden || strings.Contains(w.Header().Get("Secure-Session-Challenge"), before) {
		t.Fatalf("refresh of the former session: %d, %q", w.Code, w.Header().Get("Secure-Session-Challenge"))
	}
}

// Where nothing is enforced a thief's request reaches the application; what it
// renews there must not become bound.
func TestRotationIsNotFollowedInAnUnprovenRequest(t *testing.T) {
	s := newSite(t)
	s.report = true
	b := s.enrolled()
	s.now = s.now.Add(DefaultGrace)
	for _, cookies := range [][]string{{"FedAuth"}, {"FedAuth", linkCookie}} {
		thief := b.thief(cookies...)
		w := thief.signIn("FedAuth=alice-2; Path=/")
		if s.event != Ignored || thief.offer != "" || len(w.Header()["Set-Cookie"]) != 1 {
			t.Fatalf("event %q, offer %q", s.event, thief.offer)
		}
		thief.get("/")
		if s.state.Proven() {
			t.Fatalf("state %q", s.state.Status)
		}
	}
}

func TestExpiredRequestDoesNotRotate(t *testing.T) {
	s := newSite(t)
	s.report = true
	thief := s.enrolled().thief()
	s.now = s.now.Add(DefaultBoundLife)
	thief.signIn("FedAuth=alice-2; Path=/")
	if s.event != Ignored {
		t.Fatalf("event %q", s.event)
	}
}

// On a path that needs no proof the application never sees an unproven cookie,
// so that whatever session begins there is a new one.
func TestWithheldCookieCannotBeRenewed(t *testing.T) {
	s := newSite(t)
	s.withhold = true
	thief := s.enrolled().thief("FedAuth")
	r := thief.request(http.MethodGet, "/public/")
	r.AddCookie(&http.Cookie{Name: "theme", Value: "dark"})
	s.setCookies = []string{"FedAuth=mallory-1; Path=/"}
	thief.send(r)
	if got := s.received.Header.Get("Cookie"); got != "theme=dark" {
		t.Fatalf("the application got %q", got)
	}
	if s.event != Offered {
		t.Fatalf("event %q: somebody whose old session is dead could not sign in", s.event)
	}
}

func TestAmbiguousCookiesAreWithheldAltogether(t *testing.T) {
	s := newSite(t)
	s.withhold = true
	r := s.newBrowser().request(http.MethodGet, "/public/")
	r.Header.Set("Cookie", `x="1, FedAuth=stolen"`)
	s.serve(0, r)
	if len(s.received.Header["Cookie"]) > 0 {
		t.Fatalf("the application got %q", s.received.Header["Cookie"])
	}
}

func TestBackendGetsNothingOfOurs(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	r := b.request(http.MethodGet, "/")
	r.Header.Add("Cookie", "theme=dark; __host-TP-bound=x; "+keyCookie+"=y")
	for _, name := range []string{"Secure-Session-Response", "Sec-Secure-Session-Id", "Secure-Session-Skipped", "Sec-Session-Response", "Secure_session_response"} {
		r.Header[name] = []string{"x"}
	}
	b.send(r)
	if got := strings.Join(s.received.Header["Cookie"], "; "); got != "FedAuth=alice-1; theme=dark" {
		t.Errorf("the application got the cookies %q", got)
	}
	for name := range s.received.Header {
		if isSessionField(name) {
			t.Errorf("the application got %s", name)
		}
	}
}

func TestBackendCannotSpeakForUs(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	s.fields = http.Header{
		"Secure-Session-Registration": {`(ES256);path="/evil";challenge="x"`},
		"Secure-Session-Challenge":    {`"x";id="y"`},
		"Sec-Session-Registration":    {`(ES256);path="/evil";challenge="x"`},
		"Set-Cookie":                  {boundCookie + "=x; Path=/; Secure", " __HOST-tp-LINK =x", "theme=dark"},
	}
	w := b.get("/")
	for name := range w.Header() {
		if isSessionField(name) {
			t.Errorf("the browser got %s", name)
		}
	}
	if got := w.Header()["Set-Cookie"]; len(got) != 1 || got[0] != "theme=dark" {
		t.Errorf("the browser got the cookies %q", got)
	}
}

func TestAdoption(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Adopt = true })
	s.report = true
	enforcing := s.addNode()
	b := s.newBrowser()
	b.cookies["FedAuth"] = "alice-0" // from before this was configured
	b.get("/image")                  // not a navigation: one offer is enough
	if s.wantStatus(Unproven); s.event != Nothing {
		t.Fatalf("event %q", s.event)
	}
	r := b.request(http.MethodGet, "/")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	b.send(r)
	if s.event != Offered {
		t.Fatalf("event %q", s.event)
	}
	wantCode(t, b.register(), http.StatusOK)
	b.get("/")
	s.wantStatus(Bound)

	s.now = s.now.Add(DefaultBoundLife)
	s.setCookies = []string{"FedAuth=alice-1; Path=/"}
	b.get("/")
	if s.event != Followed {
		t.Fatalf("event %q", s.event)
	}
	b.refresh()
	wantCode(t, b.refresh(), http.StatusOK)
	b.get("/")
	s.wantStatus(Bound)

	if got := enforcing.Inspect(b.request(http.MethodGet, "/"), s.now); got.Status != Unproven {
		t.Fatalf("an adopted session, perhaps a thief's, is %q once proof is required", got.Status)
	}
}

// A session that was begun properly stays what it is when adoption ends,
// unless it was followed where that is not safe.
func TestAdoptingEngineMarksOnlyWhatItAdopts(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Adopt = true })
	s.report = true
	enforcing := s.addNode()
	b := s.enrolled()
	if got := enforcing.Inspect(b.request(http.MethodGet, "/"), s.now); got.Status != Bound {
		t.Fatalf("state %q", got.Status)
	}
	s.now = s.now.Add(DefaultBoundLife)
	s.setCookies = []string{"FedAuth=alice-2; Path=/"}
	b.get("/") // unproven, and rotated
	b.refresh()
	wantCode(t, b.refresh(), http.StatusOK)
	if got := enforcing.Inspect(b.request(http.MethodGet, "/"), s.now); got.Status != Unproven {
		t.Fatalf("state %q", got.Status)
	}
}

func TestEndpoints(t *testing.T) {
	for path, want := range map[string]int{
		DefaultPath + "/register":                   http.StatusForbidden,
		DefaultPath + "/refresh":                    http.StatusOK, // nothing to refresh: stop
		DefaultPath + "/refresh/":                   http.StatusNotFound,
		DefaultPath + "/%72efresh":                  http.StatusNotFound,
		DefaultPath + "/x/../refresh":               http.StatusNotFound,
		DefaultPath:                                 http.StatusNotFound,
		strings.ToUpper(DefaultPath) + "/refresh":   http.StatusNotFound,
		"/.token-protection%2fdbsc/refresh":         http.StatusNotFound,
		"/.token-protection/dbsc%5crefresh":         http.StatusNotFound,
		"//.token-protection//dbsc//refresh":        http.StatusNotFound,
		"/.token-protection/dbscx":                  0, // not ours
		"/x" + DefaultPath + "/refresh":             0,
		DefaultPath + "/../../.token-protection/x/": 0,
	} {
		s := newSite(t)
		b := s.newBrowser()
		r := b.post("refresh", "")
		u, err := r.URL.Parse(origin + "/")
		if err != nil {
			t.Fatal(err)
		}
		if u.Path, err = url.PathUnescape(path); err != nil {
			t.Fatal(err)
		}
		u.RawPath = path
		r.URL = u
		w := s.serve(0, r)
		if got := w.Code; s.received == nil && got != want || (want == 0) != (s.received != nil) {
			t.Errorf("%s: %d, reached the application: %v; want %d", path, got, s.received != nil, want)
		}
	}
}

func TestEndpointsTakeOnlyPOST(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodOptions, http.MethodDelete} {
		for _, endpoint := range []string{"register", "refresh"} {
			s := newSite(t)
			b := s.enrolled()
			r := b.post(endpoint, b.proof())
			r.Method = method
			r.Header.Set("Access-Control-Request-Method", "POST")
			w := s.serve(0, r)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
				t.Errorf("%s %s: %d", method, endpoint, w.Code)
			}
			for name := range w.Header() {
				if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
					t.Errorf("%s %s: answered with %s", method, endpoint, name)
				}
			}
		}
	}
}

func TestEndpointsAreNotStoredNorFramed(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	header := b.register().Header()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin",
		"X-Content-Type-Options": "nosniff", "Content-Type": "application/json",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// The specification's quoted string, and what Chromium sends.
func TestQuotedAndRawFields(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	wantCode(t, b.accept(b.send(b.post("register", `"`+b.registration()+`"`))), http.StatusOK)
	r := b.post("refresh", `"`+b.proof()+`"`)
	r.Header.Set("Sec-Secure-Session-Id", `"`+b.session+`"`)
	wantCode(t, b.send(r), http.StatusOK)
}

func TestAudienceOfOurOwnEndpoint(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	wantCode(t, b.send(b.post("refresh", b.jwt(nil, object{"jti": b.challenge, "aud": origin + DefaultPath + "/refresh"}))), http.StatusOK)
}

// A sibling of the host can set a key cookie beside ours; it changes nothing.
func TestTossedKeyCookieIsPassedOver(t *testing.T) {
	s := newSite(t)
	other := s.enrolled("FedAuth=mallory-1; Path=/")
	b := s.enrolled()
	r := b.post("refresh", b.proof())
	r.Header.Set("Cookie", keyCookie+"="+other.cookies[keyCookie]+"; "+keyCookie+"=x; "+r.Header.Get("Cookie"))
	wantCode(t, s.serve(0, r), http.StatusOK)
}

func TestAnonymousRequestIsNotOurs(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	delete(b.cookies, "FedAuth")
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Anonymous)
	b.cookies["FedAuth"] = "" // cannot let anybody in
	b.get("/")
	s.wantStatus(Anonymous)
}

func TestNoProofAfterGraceEvenIfTheClockIsSetBack(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	s.now = s.now.Add(-time.Minute)
	s.refused(b.get("/").Code, Unproven)
}
