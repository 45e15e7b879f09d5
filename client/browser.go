// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"
)

// Browser is an [http.RoundTripper] that keeps cookies and does with
// device-bound sessions what a browser does (W3C, Device Bound Session
// Credentials): it registers a new key when a response offers that, and proves
// possession of it before a request that a bound cookie is missing for. It
// knows one session for each origin, whose scope is the whole of it.
//
// Other than a browser it registers before it returns the response that offers
// it, so that what follows is bound for certain. It is safe for concurrent use;
// requests to an origin wait while its session is refreshed. An [http.Client]
// that it serves must have no Jar of its own.
type Browser struct {
	// Base sends the requests; nil means [http.DefaultTransport].
	Base http.RoundTripper
	// Jar keeps the cookies. It is not nil.
	Jar http.CookieJar

	mu       sync.Mutex
	sessions map[string]*boundSession // by origin
}

// NewBrowser returns a browser without any cookies.
func NewBrowser(base http.RoundTripper) *Browser {
	jar, _ := cookiejar.New(nil) // never fails
	return &Browser{Base: base, Jar: jar, sessions: make(map[string]*boundSession)}
}

// RoundTrip implements [http.RoundTripper].
func (b *Browser) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if skipped := b.refresh(r); skipped != "" {
		r.Header.Set("Secure-Session-Skipped", skipped)
	}
	response, err := b.send(r)
	if err != nil {
		return nil, err
	}
	if err := b.register(r, response.Header.Get("Secure-Session-Registration")); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

// send sends a request with the cookies that are for it, and keeps those that
// the response sets.
func (b *Browser) send(r *http.Request) (*http.Response, error) {
	for _, cookie := range b.Jar.Cookies(r.URL) {
		r.AddCookie(cookie)
	}
	base := b.Base
	if base == nil {
		base = http.DefaultTransport
	}
	response, err := base.RoundTrip(r)
	if err == nil {
		b.Jar.SetCookies(r.URL, response.Cookies())
	}
	return response, err
}

// holds reports whether the jar has a cookie for a URL.
func (b *Browser) holds(u *url.URL, name string) bool {
	for _, cookie := range b.Jar.Cookies(u) {
		if cookie.Name == name {
			return true
		}
	}
	return false
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
