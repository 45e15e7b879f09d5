// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
)

// application is a web application that knows nothing of device-bound
// sessions: a form to sign in, a cookie, a page.
type application struct {
	mu    sync.Mutex
	users map[string]string // by the value of the cookie
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	user := ""
	if c, err := r.Cookie("FedAuth"); err == nil {
		user = a.users[c.Value]
	}
	w.Header().Set("Content-Type", "text/html")
	switch {
	case r.URL.Path == "/signin" && r.Method == http.MethodPost:
		a.begin(w, r.FormValue("user"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case r.URL.Path == "/signin":
		fmt.Fprint(w, `<form method=post>Who are you?<input name=user type=hidden value=alice></form>`)
	case user == "":
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
	case r.URL.Path == "/signout":
		http.SetCookie(w, &http.Cookie{Name: "FedAuth", Path: "/", MaxAge: -1})
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
	case r.URL.Path == "/rotate":
		a.begin(w, user)
		fmt.Fprint(w, "Rotated")
	default:
		fmt.Fprintf(w, "Hello %s", user)
	}
}

func (a *application) begin(w http.ResponseWriter, user string) {
	value := rand.Text()
	a.users[value] = user
	http.SetCookie(w, &http.Cookie{Name: "FedAuth", Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// cluster is a site of one or more proxies with one secret, on one address.
type cluster struct {
	t      *testing.T
	server *httptest.Server
	life   time.Duration // of the bound cookie
	grace  time.Duration

	origin    string
	elsewhere string // another site, with a link to this one and a form for it

	mu      sync.Mutex
	engines []*dbsc.Engine
	turn    int
	log     []string
}

// newCluster starts one at app.<site>.test, whose certificate is given.
func newCluster(t *testing.T, cert tls.Certificate, site string, boundLife, grace time.Duration) *cluster {
	t.Helper()
	backend := httptest.NewServer(&application{users: map[string]string{}})
	t.Cleanup(backend.Close)
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, life: boundLife, grace: grace}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(response *http.Response) error {
			p := response.Request.Context().Value(passedKey{}).(passed)
			c.note(p.engine.Watch(response.Header, p.request, p.state, ""))
			return nil
		},
	}
	c.server = httptest.NewUnstartedServer(c.protect(proxy))
	c.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	_, port, _ := strings.Cut(c.server.Listener.Addr().String(), ":")
	c.origin = "https://app." + site + ".test:" + port
	c.elsewhere = "https://elsewhere.test:" + port
	c.restart(1)
	return c
}

// passed is what a request takes along to its response.
type passed struct {
	engine  *dbsc.Engine
	request *http.Request
	state   dbsc.State
}

type passedKey struct{}

// protect is the middleware: our endpoints, a verdict, and what it asks for.
func (c *cluster) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "elsewhere.test:") {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<a href="%s/">A link in a mail</a><form method=post action="%[1]s/signin"><input name=user type=hidden value=alice></form>`, c.origin)
			return
		}
		e := c.engine()
		if served, ours := e.Serve(w, r); ours {
			c.note(served.Event)
			return
		}
		state := e.Inspect(r, time.Now())
		c.note(dbsc.Event(state.Status))
		if state.Status != dbsc.Anonymous && !state.Proven() {
			e.Refuse(w.Header(), state)
			http.Error(w, "Refused", http.StatusUnauthorized)
			return
		}
		e.Strip(r.Header)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passedKey{}, passed{e, r, state})))
	})
}

// restart replaces all proxies by so many new ones, which remember nothing.
func (c *cluster) restart(nodes int) {
	c.t.Helper()
	var engines []*dbsc.Engine
	for range nodes {
		config := dbsc.Config{
			SessionCookies: []string{"FedAuth"},
			Secrets:        [][]byte{[]byte("a secret that all nodes share")},
			BoundLife:      c.life,
			Grace:          c.grace,
		}
		replay, err := cache.NewReplay(cache.ReplayConfig{MaxEntries: 1000, MaxPerKey: 100, Lifetime: config.Lifetime(), Start: time.Now()})
		if err != nil {
			c.t.Fatal(err)
		}
		config.Memory = replay
		e, err := dbsc.New(config)
		if err != nil {
			c.t.Fatal(err)
		}
		engines = append(engines, e)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.engines = engines
}

// engine takes turns, as a balancer without affinity does.
func (c *cluster) engine() *dbsc.Engine {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	return c.engines[c.turn%len(c.engines)]
}

func (c *cluster) note(e dbsc.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, string(e))
}

// seen counts an event or a status since the last forget.
func (c *cluster) seen(word any) (count int) {
	for _, seen := range c.events() {
		if seen == fmt.Sprint(word) {
			count++
		}
	}
	return count
}

// events returns what happened since the last forget, in order.
func (c *cluster) events() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

func (c *cluster) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = nil
}

// thief requests a path with copied cookies from another client.
func (c *cluster) thief(method, path string, cookies map[string]string, names ...string) *http.Response {
	c.t.Helper()
	r, err := http.NewRequest(method, c.server.URL+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Host = strings.TrimPrefix(c.origin, "https://")
	r.Header.Set("Origin", c.origin)
	for name, value := range cookies {
		if len(names) == 0 || slices.Contains(names, name) {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(c.server.Certificate())
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "elsewhere.test"}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}
