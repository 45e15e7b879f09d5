// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/client"
)

const (
	siteOrigin  = "https://" + siteName
	dbscPath    = "/.token-protection/dbsc"
	appCookie   = "FedAuth"
	linkCookie  = "__Host-tp-link"
	boundCookie = "__Host-tp-bound"
)

// webApp is a web application that knows nothing of device-bound sessions.
// It signs in whom the query names, and says whom it sees.
type webApp struct {
	address string
	mu      sync.Mutex
	users   map[string]string // by the value of the session cookie
	seen    http.Header       // of the last request
}

func newWebApp(t testing.TB) *webApp {
	a := &webApp{users: make(map[string]string)}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.address = server.Listener.Addr().String()
	return a
}

func (a *webApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = r.Header.Clone()
	user := ""
	if cookie, err := r.Cookie(appCookie); err == nil {
		user = a.users[cookie.Value]
	}
	switch r.URL.Path {
	case "/signin":
		a.begin(w, r.URL.Query().Get("user"))
	case "/rotate":
		a.begin(w, user)
	case "/signout":
		http.SetCookie(w, &http.Cookie{Name: appCookie, Path: "/", MaxAge: -1})
	case "/theme":
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark", Path: "/"})
	}
	fmt.Fprintf(w, "hello %s, %s", user, r.Header.Get("X-Seen"))
}

func (a *webApp) begin(w http.ResponseWriter, user string) {
	value := rand.Text()
	a.users[value] = user
	w.Header().Set("X-User", user)
	http.SetCookie(w, &http.Cookie{Name: appCookie, Value: value, Path: "/", Secure: true, HttpOnly: true})
}

// received returns the header of the last request, and forgets it; nil if
// nothing arrived since.
func (a *webApp) received() http.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = nil
	return seen
}

// site is the application behind the module, with further words of `dbsc`.
// What the application is told is what placeholders say.
func (a *webApp) site(words string) string {
	return `
	token_protection exchange {
		public_url ` + siteOrigin + `
		exempt /signin
		proofs dpop dbsc
		dbsc {
			session_cookie ` + appCookie + `
			` + words + `
		}
	}
	reverse_proxy ` + a.address + ` {
		header_up X-Seen "{http.token_protection.status} {http.token_protection.scheme} {http.token_protection.user} {http.token_protection.code}"
	}`
}

// inProcess sends a browser's requests to the running server.
type inProcess struct{ t testing.TB }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	in := httptest.NewRequest(r.Method, "http://"+siteName+r.URL.RequestURI(), body)
	in.Header = r.Header.Clone()
	response := send(p.t, in).Result()
	response.Request = r
	return response, nil
}

// browser is one that speaks the protocol, before the site.
type browser struct {
	*client.Browser
	t testing.TB
}

func newBrowser(t testing.TB) *browser {
	return &browser{client.NewBrowser(inProcess{t}), t}
}

// get loads a page and returns its status and text.
func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, siteOrigin+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	response, err := b.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// signedIn is a browser to which the application gave a session, and whose key
// is registered for it.
func signedIn(t testing.TB, user string) *browser {
	t.Helper()
	b := newBrowser(t)
	if status, text := b.get("/signin?user=" + user); status != http.StatusOK {
		t.Fatalf("sign-in: status %d, %s", status, text)
	}
	if b.cookie(boundCookie) == "" {
		t.Fatal("the browser has no bound cookie")
	}
	return b
}

// shows checks what a page says.
func (b *browser) shows(path, want string) {
	b.t.Helper()
	if status, text := b.get(path); status != http.StatusOK || !strings.Contains(text, want) {
		b.t.Fatalf("%s: status %d, %q, want %q", path, status, text, want)
	}
}

// dbscURL is where all cookies are sent to.
func dbscURL(name string) *url.URL {
	return &url.URL{Scheme: "https", Host: siteName, Path: dbscPath + "/" + name}
}

func (b *browser) cookie(name string) string {
	for _, cookie := range b.Jar.Cookies(dbscURL("refresh")) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// forget drops a cookie, as its expiry does.
func (b *browser) forget(name string) {
	b.Jar.SetCookies(dbscURL("refresh"), []*http.Cookie{{Name: name, Path: "/", MaxAge: -1, Secure: true}})
}

// copied is a request of a thief who has copies of the browser's cookies of
// these names, or of all.
func (b *browser) copied(method, path string, names ...string) *http.Request {
	r := withMethod(request(path, ""), method)
	for _, cookie := range b.Jar.Cookies(dbscURL("refresh")) {
		if len(names) == 0 || slices.Contains(names, cookie.Name) {
			r.AddCookie(cookie)
		}
	}
	return r
}

// posted is a browser's request to one of our endpoints, with a proof if there
// is one.
func (b *browser) posted(name, session, proof string) *http.Request {
	r := b.copied(http.MethodPost, dbscPath+"/"+name)
	r.Header.Set("Origin", siteOrigin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if session != "" {
		r.Header.Set("Sec-Secure-Session-Id", session)
	}
	if proof != "" {
		r.Header.Set("Secure-Session-Response", proof)
	}
	return r
}
