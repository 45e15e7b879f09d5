// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/chromium"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
)

// The names of the cookies as an administrator sees them in a browser.
const (
	appCookie   = "FedAuth"
	linkCookie  = "__Host-tp-link"
	boundCookie = "__Host-tp-bound"
	keyCookie   = "__Secure-tp-key"
)

// visit is a browser's visit to a cluster.
type visit struct {
	*testing.T
	c *cluster
	b *chromium.Browser
}

// signIn signs in through the application's form.
func (v *visit) signIn() {
	v.Helper()
	v.c.forget()
	v.b.Open(v.c.origin+"/signin", "Who are you?")
	v.b.Do("document.forms[0].submit()")
	v.registers()
}

// registers waits until the page is there and the browser has registered,
// which it does by itself.
func (v *visit) registers() {
	v.Helper()
	v.b.Shows("Hello alice")
	if !chromium.Eventually(func() bool { return v.c.seen(dbsc.Registered) > 0 && v.cookies()[boundCookie] != "" }) {
		v.Fatalf("the browser did not register: %v", v.c.events())
	}
}

// cookies are those for our endpoints, where all of them are sent.
func (v *visit) cookies() map[string]string {
	v.Helper()
	return v.b.Cookies(v.c.origin + dbsc.DefaultPath + "/refresh")
}

// expire takes the bound cookie away, as its expiry does.
func (v *visit) expire() {
	v.Helper()
	v.c.forget()
	v.b.DeleteCookie(boundCookie, v.c.origin)
}

func (v *visit) opensPage() {
	v.Helper()
	v.b.Open(v.c.origin+"/", "Hello alice")
}

// refreshed checks that the browser proved possession by itself, before it
// made the request that the page is the answer to.
func (v *visit) refreshed() {
	v.Helper()
	if v.c.seen(dbsc.Refreshed) == 0 || v.c.seen(dbsc.Bound) == 0 || v.c.seen(dbsc.Grace)+v.c.seen(dbsc.Unproven)+v.c.seen(dbsc.Missing)+v.c.seen(dbsc.Expired) > 0 {
		v.Fatalf("not refreshed and bound: %v", v.c.events())
	}
}

// A real browser in front of an application that knows nothing of all this.
// Each story has a site of its own, because a browser limits how often it
// signs for one site: about six times in nine minutes.
func TestBrowser(t *testing.T) {
	cert := certificate(t)
	b := chromium.Start(t, cert.Leaf.RawSubjectPublicKeyInfo)
	for i, story := range []struct {
		name        string
		life, grace time.Duration
		tell        func(*visit)
	}{
		{"does not refresh without need", dbsc.DefaultBoundLife, dbsc.DefaultGrace, doesNotRefreshWithoutNeed},
		{"refreshes after expiry", dbsc.DefaultBoundLife, dbsc.DefaultGrace, refreshesAfterExpiry},
		// At so short a life it refreshes before nearly every request.
		{"refreshes after a true expiry", 3 * time.Second, dbsc.DefaultGrace, refreshesAfterTrueExpiry},
		{"refreshes for a script's request", dbsc.DefaultBoundLife, dbsc.DefaultGrace, refreshesForScript},
		{"refreshes for a link from another site", dbsc.DefaultBoundLife, dbsc.DefaultGrace, refreshesForForeignLink},
		{"registers after a sign-in that another site posted", dbsc.DefaultBoundLife, dbsc.DefaultGrace, registersAfterForeignPost},
		{"survives a restart", dbsc.DefaultBoundLife, dbsc.DefaultGrace, survivesRestart},
		{"is served by any node", dbsc.DefaultBoundLife, dbsc.DefaultGrace, isServedByAnyNode},
		{"follows the application's rotation", dbsc.DefaultBoundLife, dbsc.DefaultGrace, followsRotation},
		{"keeps thieves out", dbsc.DefaultBoundLife, 3 * time.Second, keepsThievesOut},
		{"ends with the sign-out", dbsc.DefaultBoundLife, dbsc.DefaultGrace, endsWithSignOut},
		{"begins anew after a session that cannot be saved", dbsc.DefaultBoundLife, 3 * time.Second, beginsAnew},
	} {
		t.Run(story.name, func(t *testing.T) {
			b.For(t)
			story.tell(&visit{T: t, c: newCluster(t, cert, "site"+strconv.Itoa(i), story.life, story.grace), b: b})
		})
	}
}

// If the instructions did not fit the cookie, it would refresh every time.
func doesNotRefreshWithoutNeed(v *visit) {
	v.signIn()
	if cookies := v.cookies(); cookies[appCookie] == "" || cookies[linkCookie] == "" || cookies[keyCookie] == "" {
		v.Fatalf("cookies %v", cookies)
	}
	v.c.forget()
	for range 3 {
		v.opensPage()
	}
	if v.c.seen(dbsc.Bound) < 3 || v.c.seen(dbsc.Refreshed)+v.c.seen(dbsc.Challenged) > 0 {
		v.Fatalf("refreshed without need: %v", v.c.events())
	}
}

func refreshesAfterExpiry(v *visit) {
	v.signIn()
	for range 3 {
		v.expire()
		v.opensPage()
		v.refreshed()
	}
}

func refreshesAfterTrueExpiry(v *visit) {
	v.signIn()
	copied := v.cookies()
	if !chromium.Eventually(func() bool { return v.cookies()[boundCookie] == "" }) {
		v.Fatal("the browser keeps the cookie beyond its life")
	}
	if got := v.c.thief(http.MethodGet, "/", copied).StatusCode; got != http.StatusUnauthorized {
		v.Errorf("all copied cookies, the bound one expired: %d", got)
	}
	v.c.forget()
	v.opensPage()
	v.refreshed()
}

func refreshesForScript(v *visit) {
	v.signIn()
	v.expire()
	if got := v.b.Do("fetch('/data').then(r => r.text())"); got != "Hello alice" {
		v.Fatalf("got %q", got)
	}
	v.refreshed()
}

func refreshesForForeignLink(v *visit) {
	v.signIn()
	v.b.Open(v.c.elsewhere+"/", "A link in a mail")
	v.expire()
	v.b.Do("document.querySelector('a').click()")
	v.b.Shows("Hello alice")
	v.refreshed()
}

// So do WS-Federation, SAML and OpenID Connect's form_post.
func registersAfterForeignPost(v *visit) {
	v.b.Open(v.c.elsewhere+"/", "A link in a mail")
	v.c.forget()
	v.b.Do("document.forms[0].submit()")
	v.registers()
	v.expire()
	v.opensPage()
	v.refreshed()
}

func survivesRestart(v *visit) {
	v.signIn()
	v.c.restart(1)
	v.c.forget()
	v.opensPage()
	if v.c.seen(dbsc.Bound) == 0 {
		v.Fatalf("not bound after a restart: %v", v.c.events())
	}
	v.expire()
	v.opensPage()
	v.refreshed()
}

func isServedByAnyNode(v *visit) {
	v.c.restart(2)
	v.signIn()
	for range 2 {
		v.expire()
		v.opensPage()
		v.refreshed()
	}
}

func followsRotation(v *visit) {
	v.signIn()
	before := v.cookies()[appCookie]
	v.c.forget()
	v.b.Open(v.c.origin+"/rotate", "Rotated")
	if v.cookies()[appCookie] == before || v.c.seen(dbsc.Followed) != 1 {
		v.Fatalf("not rotated: %v", v.c.events())
	}
	v.opensPage()
	v.expire()
	v.opensPage()
	v.refreshed()
}

// keepsThievesOut plays what can be done with copies of the cookies.
func keepsThievesOut(v *visit) {
	v.signIn()
	copied := v.cookies()
	if !chromium.Eventually(func() bool {
		return v.c.thief(http.MethodGet, "/", copied, appCookie, linkCookie).StatusCode == http.StatusUnauthorized
	}) {
		v.Error("the grace period does not end")
	}
	for name, test := range map[string]struct {
		method, path string
		cookies      []string
		want         int
	}{
		"the application's cookie":          {http.MethodGet, "/", []string{appCookie}, http.StatusUnauthorized},
		"all, while the bound one lives":    {http.MethodGet, "/", nil, http.StatusOK}, // the honest limit
		"a refresh without the key":         {http.MethodPost, dbsc.DefaultPath + "/refresh", nil, http.StatusForbidden},
		"a registration":                    {http.MethodPost, dbsc.DefaultPath + "/register", nil, http.StatusForbidden},
		"a registration with fewer cookies": {http.MethodPost, dbsc.DefaultPath + "/register", []string{appCookie, linkCookie}, http.StatusForbidden},
	} {
		if got := v.c.thief(test.method, test.path, copied, test.cookies...).StatusCode; got != test.want {
			v.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	v.opensPage() // the owner does not notice
}

func endsWithSignOut(v *visit) {
	v.signIn()
	copied := v.cookies()
	v.b.Open(v.c.origin+"/signout", "Who are you?")
	if cookies := v.cookies(); len(cookies) != 0 {
		v.Fatalf("cookies %v", cookies)
	}
	if got := v.c.thief(http.MethodGet, "/", copied).StatusCode; got != http.StatusUnauthorized {
		v.Errorf("copied cookies after sign-out: %d", got)
	}
	// The browser asks once more, is told to stop, and does not ask again.
	if !chromium.Eventually(func() bool { v.b.Open(v.c.origin+"/signin", "Who are you?"); return v.c.seen(dbsc.Stopped) > 0 }) {
		v.Fatalf("the browser did not ask: %v", v.c.events())
	}
	v.c.forget()
	v.b.Open(v.c.origin+"/signin", "Who are you?")
	if v.c.seen(dbsc.Stopped)+v.c.seen(dbsc.Challenged) > 0 {
		v.Errorf("refreshes after the end: %v", v.c.events())
	}
	v.signIn()
	v.opensPage()
}

// A session whose key is lost is refused once, and then signs in.
func beginsAnew(v *visit) {
	v.signIn()
	v.b.DeleteCookie(keyCookie, v.c.origin+dbsc.DefaultPath+"/refresh")
	v.expire()
	// Perhaps within the grace period at first; once refused, by way of any
	// request of the page's, it reaches the sign-in.
	if !chromium.Eventually(func() bool {
		v.b.Navigate(v.c.origin + "/")
		return v.b.Text() == "Who are you?" && v.c.seen(dbsc.Unproven)+v.c.seen(dbsc.Missing) > 0
	}) {
		v.Fatalf("not refused: %v", v.c.events())
	}
	if cookies := v.cookies(); len(cookies) != 0 {
		v.Fatalf("cookies %v", cookies)
	}
	v.signIn()
	v.opensPage()
}
