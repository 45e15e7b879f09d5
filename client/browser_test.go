// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

const appOrigin = "https://app.example.test"

// protectedApp is a server with device-bound sessions.
type protectedApp struct {
	t         *testing.T
	refresh   http.HandlerFunc // instead of granting
	asked     []string         // paths
	challenge string           // to be answered next
	request   http.Header      // of the last one to a page
}

func (a *protectedApp) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	a.asked = append(a.asked, r.Method+" "+r.URL.Path)
	switch r.URL.Path {
	case "/signin":
		http.SetCookie(recorder, &http.Cookie{Name: "app", Value: "s1", Path: "/"})
		recorder.Header().Set("Secure-Session-Registration", `(ES256 RS256);path="/own/register";challenge="c1";authorization="a1"`)
	case "/own/register":
		a.proves(r, "c1", jwt.MapClaims{"authorization": "a1"})
		a.grant(recorder)
	case "/own/refresh":
		if a.refresh != nil {
			a.refresh(recorder, r)
			break
		}
		if a.proves(r, a.challenge, nil) {
			a.grant(recorder)
		}
	default:
		a.request = r.Header
	}
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// proves checks a proof, and that only the one of a registration has its key.
func (a *protectedApp) proves(r *http.Request, challenge string, claims jwt.MapClaims) bool {
	got := jwt.MapClaims{}
	token, _, err := jwt.NewParser().ParseUnverified(r.Header.Get("Secure-Session-Response"), got)
	if err != nil {
		a.t.Error(err)
		return false
	}
	key, _ := token.Header["jwk"].(map[string]any)
	if registers := claims != nil; registers != (key != nil) || token.Header["typ"] != "dbsc+jwt" || token.Header["alg"] != "ES256" ||
		got["jti"] != challenge || got["authorization"] != claims["authorization"] || r.Header.Get("Origin") != appOrigin || r.Header.Get("Sec-Fetch-Site") != "same-origin" {
		a.t.Errorf("%s: header %v, claims %v, fields %v", r.URL.Path, token.Header, got, r.Header)
	}
	return true
}

func (a *protectedApp) grant(w http.ResponseWriter) {
	a.challenge = fmt.Sprintf("c%d", len(a.asked)+1)
	w.Header().Set("Secure-Session-Challenge", `"`+a.challenge+`";id="session"`)
	http.SetCookie(w, &http.Cookie{Name: "bound", Value: a.challenge, Path: "/"})
	_, _ = io.WriteString(w, `{"session_identifier":"session","refresh_url":"/own/refresh","scope":{"include_site":false},"credentials":[{"type":"cookie","name":"bound","attributes":"Path=/"}]}`)
}

// enrolled is a browser that has signed in.
func enrolled(t *testing.T) (*Browser, *protectedApp) {
	a := &protectedApp{t: t}
	b := NewBrowser(a)
	load(t, b, "/signin")
	return b, a
}

func load(t *testing.T, b *Browser, path string) {
	t.Helper()
	response, err := (&http.Client{Transport: b}).Get(appOrigin + path)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

// expire lets the bound cookie expire.
func expire(b *Browser) {
	b.Jar.SetCookies(&url.URL{Scheme: "https", Host: "app.example.test", Path: "/"}, []*http.Cookie{{Name: "bound", Path: "/", MaxAge: -1}})
}

func TestBrowserRegistersAndRefreshesBeforeTheRequest(t *testing.T) {
	b, a := enrolled(t)
	load(t, b, "/")
	expire(b)
	load(t, b, "/")
	if got := strings.Join(a.asked, ", "); got != "GET /signin, POST /own/register, GET /, POST /own/refresh, GET /" {
		t.Errorf("requests %s", got)
	}
	if cookies := a.request.Get("Cookie"); cookies != "app=s1; bound=c5" || a.request.Get("Secure-Session-Skipped") != "" {
		t.Errorf("the page was asked for with %v", a.request)
	}
}

func TestBrowserAnswersWhatARefreshBrings(t *testing.T) {
	challenging := func(times int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if times--; times < 0 {
				http.SetCookie(w, &http.Cookie{Name: "bound", Value: "x", Path: "/"})
				return // without a body, the instructions stay
			}
			w.Header().Set("Secure-Session-Challenge", fmt.Sprintf(`"again%d";id="session"`, times))
			w.WriteHeader(http.StatusForbidden)
		}
	}
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = io.WriteString(w, body) }
	}
	for name, test := range map[string]struct {
		refresh http.HandlerFunc
		asked   int // refreshes for the first page
		goes    bool
		skipped string
		bound   bool
	}{
		"a new challenge":        {challenging(1), 2, true, "", true},
		"challenges without end": {challenging(99), maxChallenges, true, "", false},
		"another's challenge": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Secure-Session-Challenge", `"x";id="other"`)
			w.WriteHeader(http.StatusForbidden)
		}, 1, false, "", false},
		"a refusal":                {status(http.StatusForbidden, ""), 1, false, "", false},
		"not found":                {status(http.StatusNotFound, ""), 1, false, "", false},
		"the end":                  {status(http.StatusOK, `{"continue":false}`), 1, false, "", false},
		"instructions of another":  {status(http.StatusOK, `{"session_identifier":"other","refresh_url":"/"}`), 1, false, "", false},
		"a failure":                {status(http.StatusServiceUnavailable, ""), 1, true, `server_error;session_identifier="session"`, false},
		"too many requests":        {status(http.StatusTooManyRequests, ""), 1, true, `server_error;session_identifier="session"`, false},
		"no answer that is JSON":   {status(http.StatusOK, `<html>`), 1, false, "", false},
		"an answer without a body": {status(http.StatusOK, ""), 1, true, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := enrolled(t)
			expire(b)
			a.refresh = test.refresh
			load(t, b, "/")
			if got := strings.Count(strings.Join(a.asked, ","), "/own/refresh"); got != test.asked {
				t.Errorf("%d refreshes", got)
			}
			if skipped, bound := a.request.Get("Secure-Session-Skipped"), strings.Contains(a.request.Get("Cookie"), "bound="); skipped != test.skipped || bound != test.bound {
				t.Errorf("skipped %q, bound %v", skipped, bound)
			}
			if goes := b.sessions[appOrigin] != nil; goes != test.goes {
				t.Errorf("the session goes on: %v", goes)
			}
		})
	}
}

func TestBrowserRefusesAnOfferItCannotAnswer(t *testing.T) {
	for _, offer := range []string{`(ES256)`, `(ES256);path="/r"`, `(ES256);challenge="c"`, `(ES256);path="%zz";challenge="c"`} {
		b := NewBrowser(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Secure-Session-Registration": {offer}}, Body: http.NoBody}, nil
		}))
		if _, err := b.RoundTrip(httptest.NewRequest(http.MethodGet, appOrigin+"/", nil)); err == nil {
			t.Errorf("%s: no error", offer)
		}
	}
}

// What is read of a field stands in it, between quotes.
func FuzzParameter(f *testing.F) {
	f.Add(`(ES256 RS256);path="/r";challenge="c;id=\"x";id="y"`, "id")
	f.Add(`"challenge;id=";id="session"`, "id")
	f.Fuzz(func(t *testing.T, field, name string) {
		if value := parameter(field, name); value != "" && !strings.Contains(field, `"`+value) {
			t.Errorf("%q is not in %q", value, field)
		}
	})
}

func TestParameterIsNotTakenFromAnothersValue(t *testing.T) {
	if got := parameter(`"x;id=";id="session"`, "id"); got != "session" {
		t.Errorf("got %q", got)
	}
	if got := parameter(`(ES256);path="/r;challenge=";challenge="c"`, "challenge"); got != "c" {
		t.Errorf("got %q", got)
	}
}
