// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// The cookies of a site with device-bound sessions: the application's own, and
// the product's as its users see them.
const (
	AppCookie   = "FedAuth"
	LinkCookie  = "__Host-tp-link"
	BoundCookie = "__Host-tp-bound"
	KeyCookie   = "__Secure-tp-key"
)

// DBSCPath is where the product's own endpoints are.
const DBSCPath = "/.token-protection/dbsc"

// Browser is what a web browser knows of a device-bound session. It does
// nothing by itself, and keeps cookies until they are deleted, so that wrong
// requests can be made too. A real one is in package chromium.
type Browser struct {
	Key     Key
	Cookies map[string]string
	// Offer is the challenge of the last offer of registration, Challenge that
	// of the last Secure-Session-Challenge, Session that one's id.
	Offer, Challenge, Session string
	// Do sends the requests; a browser may move to another server.
	Do func(Request) Response
}

// Browser makes one that talks to the server.
func (s *Server) Browser(t testing.TB, protocol Protocol) *Browser {
	return &Browser{Key: NewKey("ES256"), Cookies: map[string]string{}, Do: func(r Request) Response {
		t.Helper()
		return s.Do(t, protocol, r)
	}}
}

// Thief has a key of his own, and copies of the cookies, or of those named.
func (b *Browser) Thief(names ...string) *Browser {
	thief := *b
	thief.Key, thief.Cookies = NewKey("ES256"), map[string]string{}
	for name, value := range b.Cookies {
		if len(names) == 0 || slices.Contains(names, name) {
			thief.Cookies[name] = value
		}
	}
	return &thief
}

// Request makes a request with the cookies that are for its path.
func (b *Browser) Request(method, path string) Request {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(b.Cookies)) {
		if name != KeyCookie || strings.HasPrefix(path, DBSCPath) {
			pairs = append(pairs, name+"="+b.Cookies[name])
		}
	}
	r := Request{Method: method, Path: path, Header: http.Header{}}
	if len(pairs) > 0 {
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	return r
}

// Send sends a request and keeps what the answer brings.
func (b *Browser) Send(r Request) Response {
	got := b.Do(r)
	for _, cookie := range (&http.Response{Header: got.Header}).Cookies() {
		if cookie.MaxAge < 0 || cookie.Value == "" {
			delete(b.Cookies, cookie.Name)
			continue
		}
		b.Cookies[cookie.Name] = Secret("cookie "+cookie.Name, cookie.Value)
	}
	if offer := got.Header.Get("Secure-Session-Registration"); offer != "" {
		b.Offer = Secret("challenge", quoted(offer, "challenge="))
	}
	if next := got.Header.Get("Secure-Session-Challenge"); next != "" {
		b.Challenge, b.Session = Secret("challenge", quoted(next, "")), quoted(next, "id=")
	}
	return got
}

// Get loads a page.
func (b *Browser) Get(path string) Response { return b.Send(b.Request(http.MethodGet, path)) }

// Post is a request to one of the product's endpoints as a browser makes it,
// with a proof if there is one.
func (b *Browser) Post(endpoint, proof string) Request {
	r := b.Request(http.MethodPost, DBSCPath+"/"+endpoint)
	r.Header.Set("Origin", Origin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if proof != "" {
		r.Header.Set("Secure-Session-Response", proof)
	}
	if endpoint == "refresh" {
		r.Header.Set("Sec-Secure-Session-Id", b.Session)
	}
	return r
}

// Register answers the offer of registration.
func (b *Browser) Register() Response { return b.Send(b.Post("register", b.Registration(nil, nil))) }

// Registration is the proof for it, with changes.
func (b *Browser) Registration(header, claims Object) string {
	return b.Proof(With(Object{"jwk": b.Key.JWK()}, header), With(Object{"jti": b.Offer}, claims))
}

// Refresh answers the last challenge.
func (b *Browser) Refresh() Response { return b.Send(b.Post("refresh", b.Proof(nil, nil))) }

// Proof is the proof for that, with changes.
func (b *Browser) Proof(header, claims Object) string {
	return b.Key.Sign(With(Object{"alg": b.Key.Algorithm, "typ": "dbsc+jwt"}, header), With(Object{"jti": b.Challenge}, claims))
}

// quoted returns the first quoted string after a word.
func quoted(field, after string) string {
	_, rest, _ := strings.Cut(field, after+`"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
