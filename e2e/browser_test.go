// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/chromium"
	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestBrowser: a real browser and the built server, in front of a web
// application that knows nothing of device-bound sessions. What a browser may
// do beyond that is in enforcement/proof/dbsc. Each story has a browser of its
// own, because one signs for a site about six times in nine minutes only.
func TestBrowser(t *testing.T) {
	chromium.Find(t)
	for name, story := range map[string]struct {
		words string
		nodes int
		tell  func(*visit)
	}{
		"refreshes and survives a restart": {"", 1, survivesRestart},
		"is served by a second node":       {"", 2, isServedByASecondNode},
		"signs out":                        {"", 1, signsOut},
		"keeps thieves out":                {"bound_life 5s", 1, keepsThievesOut},
	} {
		t.Run(name, func(t *testing.T) { story.tell(newVisit(t, story.words, story.nodes)) })
	}
}

// visit is a browser's visit to a site of one or more nodes with one secret.
type visit struct {
	*testing.T
	nodes    []*harness.Server
	balancer *harness.Balancer
	browser  *chromium.Browser
	seen     map[any]bool // ids of the records that have been looked at
}

func newVisit(t *testing.T, words string, nodes int) *visit {
	t.Helper()
	v := &visit{T: t, seen: make(map[any]bool)}
	world := harness.NewWorld(t)
	world.Backend.WebApp()
	for range nodes {
		v.nodes = append(v.nodes, world.Start(t, harness.Options{
			Handler: boundSessions(words), Proof: "nonce_secret " + harness.Secret("nonce secret", strings.Repeat("nodes", 8)),
		}))
	}
	v.balancer = harness.NewBalancer(t, v.nodes[0])
	v.browser = chromium.Start(t, harness.SiteKey(), harness.Host+" "+v.balancer.Address)
	return v
}

// signIn signs in through the application's form, and waits until the browser
// has registered, which it does by itself.
func (v *visit) signIn() {
	v.Helper()
	v.browser.Open(harness.Origin+"/public/signin", "Who are you?")
	v.browser.Do("document.forms[0].submit()")
	v.browser.Shows("Hello alice")
	if !chromium.Eventually(func() bool { return v.cookies()[harness.BoundCookie] != "" }) {
		v.Fatalf("the browser did not register; it has the cookies %q", slices.Sorted(maps.Keys(v.cookies())))
	}
	v.judged()
}

// cookies are those for the product's endpoints, where all of them are sent.
func (v *visit) cookies() map[string]string {
	v.Helper()
	cookies := v.browser.Cookies(harness.Origin + harness.DBSCPath + "/refresh")
	for name, value := range cookies {
		harness.Secret("cookie "+name, value)
	}
	return cookies
}

// judged returns the sign-in records since the last time.
func (v *visit) judged() []harness.Record {
	v.Helper()
	var recent []harness.Record
	for _, node := range v.nodes {
		for _, record := range node.Records(v) {
			if id := record.Raw["Id"]; !v.seen[id] {
				v.seen[id], recent = true, append(recent, record)
			}
		}
	}
	return recent
}

// isBound loads a page, every request for which is bound.
func (v *visit) isBound() {
	v.Helper()
	v.judged()
	v.browser.Open(harness.Origin+webPage, "Hello alice")
	records := v.judged()
	for _, record := range records {
		if record.ProofScheme != "dbsc" || record.Decision != "allow" || record.UserID != "alice" || record.DeviceKeyThumbprint == "" {
			v.Errorf("a request was not bound: %+v", record)
		}
	}
	if len(records) == 0 {
		v.Error("no sign-in record")
	}
}

// refreshes loads a page without the bound cookie, as after its expiry: the
// browser proves possession by itself before it asks for the page.
func (v *visit) refreshes() {
	v.Helper()
	before := v.cookies()[harness.BoundCookie]
	v.browser.DeleteCookie(harness.BoundCookie, harness.Origin)
	v.isBound()
	if after := v.cookies()[harness.BoundCookie]; after == "" || after == before {
		v.Error("the browser has no new bound cookie")
	}
}

// stolen sends a request for the page with copies of the cookies, or of those
// named, from another client.
func (v *visit) stolen(cookies map[string]string, names ...string) harness.Response {
	v.Helper()
	thief := (&harness.Browser{Cookies: cookies}).Thief(names...)
	return v.nodes[0].Do(v, harness.HTTP1, thief.Request(http.MethodGet, webPage))
}

func survivesRestart(v *visit) {
	v.signIn()
	v.isBound()
	v.refreshes()
	v.nodes[0].Stop()
	v.nodes[0].Run(v)
	v.isBound()
	v.refreshes()
}

func isServedByASecondNode(v *visit) {
	v.signIn()
	v.balancer.Use(v.nodes[1])
	v.isBound()
	v.refreshes()
	v.balancer.Use(v.nodes[0])
	v.isBound()
}

func signsOut(v *visit) {
	v.signIn()
	copied := v.cookies()
	v.browser.Open(harness.Origin+"/app/signout", "Who are you?")
	if left := v.cookies(); len(left) > 0 {
		v.Errorf("the browser keeps the cookies %q", slices.Sorted(maps.Keys(left)))
	}
	refused(v, v.nodes[0], v.stolen(copied), "session_ended")
	v.signIn()
	v.isBound()
}

func keepsThievesOut(v *visit) {
	v.signIn()
	copied := v.cookies()
	refused(v, v.nodes[0], v.stolen(copied, harness.AppCookie), "session_unproven")
	var got harness.Response
	if !chromium.Eventually(func() bool { got = v.stolen(copied); return got.Status != http.StatusOK }) {
		v.Fatal("copies of all cookies are good without end")
	}
	refused(v, v.nodes[0], got, "session_expired")
	// The owner goes on. On a slow machine a proof may expire on its way; then
	// the page says to reload.
	v.judged()
	if !chromium.Eventually(func() bool {
		v.browser.Navigate(harness.Origin + webPage)
		return v.browser.Text() == "Hello alice" && slices.ContainsFunc(v.judged(), func(r harness.Record) bool { return r.ProofScheme == "dbsc" })
	}) {
		v.Errorf("the owner sees %q", v.browser.Text())
	}
}
