// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

const origin = "https://app.example.test"

var (
	epoch  = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	secret = bytes.Repeat([]byte("s"), 32)
)

// site is an application that knows nothing of device-bound sessions, behind
// one or more nodes that require them.
type site struct {
	t        testing.TB
	now      time.Time
	nodes    []*Engine
	report   bool // nothing is enforced
	withhold bool // every path is one that needs no proof

	setCookies []string    // what the application sets in its next answer
	fields     http.Header // what else it answers
	user       string      // whom it names
	received   *http.Request
	event      Event
	served     Served
	state      State
}

func newSite(t testing.TB, change ...func(*Config)) *site {
	s := &site{t: t, now: epoch}
	s.addNode(change...)
	return s
}

// addNode starts another process with the same configuration.
func (s *site) addNode(change ...func(*Config)) *Engine {
	s.t.Helper()
	config := Config{
		SessionCookies: []string{"FedAuth", "rtFa"},
		Secrets:        [][]byte{secret},
		Now:            func() time.Time { return s.now },
	}
	replay, err := cache.NewReplay(cache.ReplayConfig{MaxEntries: 1000, MaxPerKey: 100, Lifetime: config.Lifetime(), Start: s.now})
	if err != nil {
		s.t.Fatal(err)
	}
	config.Memory = replay
	for _, f := range change {
		f(&config)
	}
	e, err := New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.nodes = append(s.nodes, e)
	return e
}

// serve is the whole way of a request on one node, as a middleware goes it.
func (s *site) serve(node int, r *http.Request) *httptest.ResponseRecorder {
	e, w := s.nodes[node], httptest.NewRecorder()
	s.received, s.event, s.served, s.state = nil, Nothing, Served{}, State{}
	var ours bool
	if s.served, ours = e.Serve(w, r); ours {
		return w
	}
	s.state = e.Inspect(r, s.now)
	unproven := s.state.Status != Anonymous && !s.state.Proven()
	watched := s.state
	switch {
	case unproven && s.withhold:
		watched = e.Withhold(r.Header, s.state)
	case unproven && !s.report:
		e.Refuse(w.Header(), s.state)
		w.WriteHeader(http.StatusUnauthorized)
		return w
	}
	e.Strip(r.Header)
	s.received = r
	header := w.Header()
	for _, c := range s.setCookies {
		header.Add("Set-Cookie", c)
	}
	maps.Copy(header, s.fields)
	s.event = e.Watch(header, r, watched, s.user)
	w.WriteHeader(http.StatusOK)
	s.setCookies, s.fields, s.user = nil, nil, ""
	return w
}

// browser keeps cookies and, for each sign-in, a key. It implements as much of
// the protocol as the tests need; the rest is the real browser's test.
type browser struct {
	site    *site
	node    int
	cookies map[string]string
	expires map[string]time.Time
	key     *ecdsa.PrivateKey

	offer     string // Secure-Session-Registration
	challenge string
	session   string
}

func (s *site) newBrowser() *browser {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{site: s, cookies: map[string]string{}, expires: map[string]time.Time{}, key: key}
}

// thief has a copy of the cookies and a key of his own. He ignores Max-Age.
func (b *browser) thief(names ...string) *browser {
	t := b.site.newBrowser()
	for name, value := range b.cookies {
		if len(names) == 0 || slices.Contains(names, name) {
			t.cookies[name] = value
		}
	}
	return t
}

func (b *browser) request(method, path string) *http.Request {
	r := httptest.NewRequest(method, origin+path, nil)
	for _, name := range slices.Sorted(maps.Keys(b.cookies)) {
		if name == keyCookie && !strings.HasPrefix(path, DefaultPath) {
			continue
		}
		if at, ok := b.expires[name]; ok && !b.site.now.Before(at) {
			continue
		}
		r.AddCookie(&http.Cookie{Name: name, Value: b.cookies[name]})
	}
	return r
}

func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	w := b.site.serve(b.node, r)
	response := w.Result()
	for _, c := range response.Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
		delete(b.expires, c.Name)
		if c.MaxAge > 0 {
			b.expires[c.Name] = b.site.now.Add(time.Duration(c.MaxAge) * time.Second)
		}
	}
	if offer := response.Header.Get("Secure-Session-Registration"); offer != "" {
		b.offer = offer
	}
	if next := response.Header.Get("Secure-Session-Challenge"); next != "" {
		b.challenge = quoted(next, "")
	}
	return w
}

// quoted returns the first quoted string after a word.
func quoted(field, after string) string {
	_, rest, _ := strings.Cut(field, after+`"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	return b.send(b.request(http.MethodGet, path))
}

// signIn signs in to the application, which sets its cookies.
func (b *browser) signIn(cookies ...string) *httptest.ResponseRecorder {
	b.site.setCookies = cookies
	return b.send(b.request(http.MethodPost, "/signin"))
}

// post is a request to one of our endpoints as Chromium makes it.
func (b *browser) post(endpoint string, jwt string) *http.Request {
	r := b.request(http.MethodPost, DefaultPath+"/"+endpoint)
	r.Header.Set("Origin", origin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if jwt != "" {
		r.Header.Set("Secure-Session-Response", jwt)
	}
	if endpoint == "refresh" {
		r.Header.Set("Sec-Secure-Session-Id", b.session)
	}
	return r
}

// register answers the offer.
func (b *browser) register() *httptest.ResponseRecorder {
	return b.accept(b.send(b.post("register", b.registration())))
}

func (b *browser) registration() string {
	return b.jwt(object{"jwk": b.jwk()}, object{"jti": quoted(b.offer, "challenge=")})
}

// refresh answers the challenge that the browser has.
func (b *browser) refresh() *httptest.ResponseRecorder {
	return b.accept(b.send(b.post("refresh", b.proof())))
}

func (b *browser) proof() string { return b.jwt(nil, object{"jti": b.challenge}) }

func (b *browser) accept(w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	var got instructions
	if w.Code == http.StatusOK && json.Unmarshal(w.Body.Bytes(), &got) == nil && got.ID != "" {
		b.session = got.ID
	}
	return w
}

// enrolled returns a browser that is signed in and registered.
func (s *site) enrolled(cookies ...string) *browser {
	s.t.Helper()
	if len(cookies) == 0 {
		cookies = []string{"FedAuth=alice-1; Path=/; Secure; HttpOnly; SameSite=Lax"}
	}
	b := s.newBrowser()
	b.signIn(cookies...)
	if w := b.register(); w.Code != http.StatusOK {
		s.t.Fatalf("registration: %d, %+v", w.Code, s.served)
	}
	return b
}

type object map[string]any

func (b *browser) jwk() object {
	uncompressed, err := b.key.PublicKey.Bytes()
	if err != nil {
		b.site.t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return object{"kty": "EC", "crv": "P-256", "x": encode(uncompressed[1:33]), "y": encode(uncompressed[33:])}
}

// jwt signs a proof. Members given replace the usual ones; nil removes one.
func (b *browser) jwt(header, payload object) string {
	full := object{"alg": "ES256", "typ": "dbsc+jwt"}
	for name, value := range header {
		if value == nil {
			delete(full, name)
		} else {
			full[name] = value
		}
	}
	input := segment(b.site.t, full) + "." + segment(b.site.t, payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, b.key, sum[:])
	if err != nil {
		b.site.t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func segment(t testing.TB, o object) string {
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func wantCode(t *testing.T, w *httptest.ResponseRecorder, code int) {
	t.Helper()
	if w.Code != code {
		t.Fatalf("status %d, want %d", w.Code, code)
	}
}

func (s *site) wantStatus(want Status) {
	s.t.Helper()
	if s.state.Status != want {
		s.t.Fatalf("state %q, want %q", s.state.Status, want)
	}
}
