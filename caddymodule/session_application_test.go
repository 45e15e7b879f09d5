// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/client"
)

func TestSignOutEndsTheSession(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("")}.load(t)
	b, key, session, challenge := registered(t)
	copied := b.copied(http.MethodGet, "/mail")
	expectStatus(t, send(t, copied.Clone(t.Context())), http.StatusOK)
	refresh := b.posted("refresh", session, proofOf(t, key, client.SessionProof{Challenge: challenge}))
	if status, _ := b.get("/signout"); status != http.StatusOK || len(b.Jar.Cookies(dbscURL("refresh"))) > 0 {
		t.Fatalf("status %d, cookies left: %v", status, b.Jar.Cookies(dbscURL("refresh")))
	}
	expectStatus(t, send(t, copied), http.StatusUnauthorized)
	answer := send(t, refresh)
	expectStatus(t, answer, http.StatusOK)
	if body := answer.Body.String(); body != `{"continue":false}` {
		t.Errorf("the browser is told %s", body)
	}
}

func TestRotationIsFollowedOnlyWhereItWasProven(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyReportOnly, site: a.site("")}.load(t)
	b := signedIn(t, "ann")
	before := b.cookie(appCookie)
	b.shows("/rotate", "bound")
	if b.cookie(appCookie) == before {
		t.Fatal("not rotated")
	}
	b.shows("/mail", "hello ann, bound")

	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("grace 1s")}.load(t)
	thief := newBrowser(t)
	for _, cookie := range b.copied(http.MethodGet, "/", appCookie, linkCookie).Cookies() {
		cookie.Path, cookie.Secure = "/", true
		thief.Jar.SetCookies(dbscURL("refresh"), []*http.Cookie{cookie})
	}
	until(t, "the grace period ends", func() bool {
		return send(t, thief.copied(http.MethodGet, "/mail")).Code == http.StatusUnauthorized
	})
	setup{issuer: newIssuer(t), app: policyReportOnly, site: a.site("grace 1s")}.load(t)
	thief.get("/rotate")
	if thief.cookie(boundCookie) != "" {
		t.Error("a thief's rotation was bound")
	}
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("grace 1s")}.load(t)
	expectStatus(t, send(t, thief.copied(http.MethodGet, "/mail")), http.StatusUnauthorized)
	b.shows("/mail", "hello ann, bound")
}

// On a path that needs no proof the application does not see an unproven
// cookie, so that a copied session cannot be renewed there.
func TestExemptPathShowsNoUnprovenSession(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: strings.Replace(a.site(""), "/signin", "/rotate /signin", 1)}.load(t)
	b := signedIn(t, "ann")
	expectStatus(t, send(t, b.copied(http.MethodGet, "/rotate", appCookie)), http.StatusOK)
	if cookie := a.received().Get("Cookie"); cookie != "" {
		t.Errorf("the application saw %q", cookie)
	}
	b.shows("/rotate", "hello ann")
}

// Where the user is known, policies on users work for sessions.
func TestPoliciesOnTheUsersOfSessions(t *testing.T) {
	for _, test := range []struct {
		name   string
		user   string // the placeholder
		site   string
		status map[string]int // of a session without proof, by who signed in
	}{
		{"named by the answer", "user {http.response.header.X-User}", "", map[string]int{"ann": http.StatusUnauthorized, "break-glass": http.StatusOK}},
		{"named by the request", "user {http.vars.who}", "vars who break-glass", map[string]int{"ann": http.StatusOK}},
		{"not named", "", "", map[string]int{"break-glass": http.StatusUnauthorized}},
	} {
		for who, want := range test.status {
			t.Run(test.name+" "+who, func(t *testing.T) {
				a := newWebApp(t)
				setup{issuer: newIssuer(t), app: policyBrowsers, site: test.site + a.site("grace 1s\n"+test.user)}.load(t)
				b := signedIn(t, who)
				get := func() int { return send(t, b.copied(http.MethodGet, "/mail", appCookie, linkCookie)).Code }
				until(t, "the grace period ends", func() bool { return get() == http.StatusUnauthorized || want == http.StatusOK })
				if got := get(); got != want {
					t.Errorf("status %d, want %d", got, want)
				}
				expectStatus(t, send(t, b.copied(http.MethodGet, "/mail", appCookie)), http.StatusUnauthorized) // whose it is nobody knows
			})
		}
	}
}

func TestWithoutDBSCASessionCookieIsNoCredential(t *testing.T) {
	a := newWebApp(t)
	site := "\n\ttoken_protection exchange {\n\t\texempt /signin\n\t}\n\treverse_proxy " + a.address
	setup{issuer: newIssuer(t), app: policyBrowsers, site: site}.load(t)
	signIn := send(t, request("/signin?user=ann", ""))
	expectStatus(t, signIn, http.StatusOK)
	if header := signIn.Header(); header.Get("Secure-Session-Registration") != "" || len(header["Set-Cookie"]) != 1 {
		t.Errorf("headers %v", header)
	}
	b := newBrowser(t)
	b.Jar.SetCookies(dbscURL("register"), signIn.Result().Cookies())
	answer := send(t, b.copied(http.MethodGet, "/mail"))
	expectStatus(t, answer, http.StatusUnauthorized)
	if body := decode[problem](t, answer.Body.Bytes()); body.SessionCode != 1002 || len(answer.Header()["Www-Authenticate"]) == 0 {
		t.Errorf("body %+v, headers %v", body, answer.Header())
	}
	expectStatus(t, send(t, b.posted("refresh", "x", "y")), http.StatusUnauthorized)
	setup{issuer: newIssuer(t), app: policyReportOnly, site: site}.load(t)
	a.received()
	expectStatus(t, send(t, b.posted("refresh", "x", "y")), http.StatusOK)
	if got := a.received(); got.Get("Secure-Session-Response") != "y" || got.Get("Sec-Secure-Session-Id") != "x" {
		t.Errorf("the application's own sessions are disturbed: %v", got)
	}
}

// A browser goes by the URL that it sent, whatever the site makes of it.
func TestEndpointsAreFoundBeforeRewriting(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: "@page not path /signin\n\trewrite @page /index.php\n" + a.site("")}.load(t)
	b := signedIn(t, "ann")
	b.forget(boundCookie)
	b.shows("/mail", "hello ann, bound")
}

// Without a path attribute a cookie is for the folder of the URL that was sent
// (RFC 6265, section 5.1.4).
func TestCookieThatDoesNotReachOurEndpointsIsNamed(t *testing.T) {
	log := t.TempDir() + "/log"
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", appCookie+"=x; Secure")
	}))
	t.Cleanup(backend.Close)
	a := &webApp{address: backend.Listener.Addr().String()}
	setup{issuer: newIssuer(t), app: policyBrowsers, site: "handle_path /owa/* {\n" + strings.Replace(a.site(""), "/signin", "/a", 1) + "\n}",
		options: "log warnings {\n\t\toutput file " + log + "\n\t\tinclude http.handlers.token_protection\n\t}"}.load(t)
	for range 2 {
		answer := send(t, request("/owa/a", ""))
		expectStatus(t, answer, http.StatusOK)
		if offer := answer.Header().Get("Secure-Session-Registration"); offer != "" {
			t.Errorf("offered %q", offer)
		}
	}
	if got := lines(t, log); len(got) != 2 || !strings.Contains(string(got[0]), "nonce_secret") || !strings.Contains(string(got[1]), "cannot be bound") {
		t.Errorf("log %s", got)
	}
}

func TestPageSaysWhatToDoAboutASession(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("")}.load(t)
	b := signedIn(t, "ann")
	for name, test := range map[string]struct {
		skipped, cookies string
		want             string
	}{
		"the browser could not refresh": {`server_error;session_identifier="x"`, appCookie, "Reload this page in a moment."},
		"the session is not its own":    {"", appCookie, "Reload this page to sign in again."},
		"no session":                    {`unreachable;session_identifier="x"`, "none", "an app on your registered device"},
	} {
		r := b.copied(http.MethodGet, "/mail", test.cookies)
		r.Header.Set("Accept", "text/html")
		if test.skipped != "" {
			r.Header.Set("Secure-Session-Skipped", test.skipped)
		}
		answer := send(t, r)
		expectStatus(t, answer, http.StatusUnauthorized) // what the browser says lets nobody in
		if !strings.Contains(answer.Body.String(), test.want) {
			t.Errorf("%s: the page does not say %q", name, test.want)
		}
	}
}

// A browser without keys whose user the policies let off is not locked out
// when the application slides its cookie.
func TestUserWhomPoliciesLetOffStaysKnown(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("grace 1s\nuser {http.response.header.X-User}")}.load(t)
	signIn := func(user string) *browser {
		b := newBrowser(t)
		b.Jar.SetCookies(dbscURL("register"), send(t, request("/signin?user="+user, "")).Result().Cookies())
		return b
	}
	letOff, ann := signIn("break-glass"), signIn("ann")
	until(t, "the grace period of both ends", func() bool {
		return send(t, ann.copied(http.MethodGet, "/mail")).Code == http.StatusUnauthorized
	})
	for range 3 {
		before := letOff.cookie(appCookie)
		answer := send(t, letOff.copied(http.MethodGet, "/rotate"))
		expectStatus(t, answer, http.StatusOK)
		letOff.Jar.SetCookies(dbscURL("register"), answer.Result().Cookies())
		if letOff.cookie(appCookie) == before {
			t.Fatal("not rotated")
		}
	}
	expectStatus(t, send(t, letOff.copied(http.MethodGet, "/mail")), http.StatusOK)
}
