// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// signInAs posts webmail's form.
func signInAs(handler http.Handler, name string) *httptest.ResponseRecorder {
	return ask(handler, http.MethodPost, signInForm, strings.NewReader("username="+name), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

func TestWebmailSignsInByAForm(t *testing.T) {
	exchange := Exchange()
	if page := ask(exchange, http.MethodGet, signInPage, nil, nil); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), `action="`+signInForm+`"`) {
		t.Errorf("%d %s", page.Code, page.Body)
	}
	for name, to := range map[string]string{"frank": "/owa/", "nobody": signInPage, "": signInPage, strings.Repeat("x", maxForm): signInPage} {
		got := signInAs(exchange, name)
		cookies := got.Result().Cookies()
		if got.Code != http.StatusFound || got.Header().Get("Location") != to || (len(cookies) == 1) != (name == "frank") {
			t.Errorf("%.10q: %d to %s, cookies %v", name, got.Code, got.Header().Get("Location"), cookies)
		}
	}
}

// Like many applications it only deletes the cookie: what a thief has copied
// goes on being good, unless something in front of it says otherwise.
func TestWebmailForgetsNobodyAtTheSignOut(t *testing.T) {
	exchange := Exchange()
	signedIn := signInAs(exchange, "frank")
	cookie := http.Header{"Cookie": {strings.SplitN(signedIn.Header().Get("Set-Cookie"), ";", 2)[0]}}
	if user := signedIn.Header().Get("X-User"); user != "frank@contoso.example" {
		t.Errorf("named %q", user)
	}
	out := ask(exchange, http.MethodGet, signOut, nil, cookie)
	if gone := out.Result().Cookies(); out.Header().Get("Location") != signInPage || len(gone) != 1 || gone[0].MaxAge >= 0 {
		t.Errorf("sign-out: %v", out.Header())
	}
	if body := ask(exchange, http.MethodGet, "/owa/", nil, cookie).Body.String(); !strings.Contains(body, "frank@contoso.example") {
		t.Errorf("got %s", body)
	}
	if body := ask(exchange, http.MethodGet, "/owa/", nil, nil).Body.String(); strings.Contains(body, "mailbox") {
		t.Errorf("without a session: %s", body)
	}
}

func TestWebmailsSessionsAreBounded(t *testing.T) {
	m := &webmail{users: make(map[string]User)}
	mux := http.NewServeMux()
	m.register(mux)
	for range maxSessions + 1 {
		signInAs(mux, "frank")
	}
	if len(m.users) > maxSessions {
		t.Errorf("%d sessions", len(m.users))
	}
}

// The scenario notices an application that takes the browser for somebody else.
func TestBrowsersStepsFailWithoutASession(t *testing.T) {
	c := newTestCast(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Who are you?") }))
	owa := func(c *cast) string { return c.Exchange + "/owa/" }
	for name, test := range map[string]struct {
		try  func(context.Context, *cast) (result, error)
		want error
	}{
		"sign-in": {signsIn(frank), errNotSignedIn},
		"page":    {reads(frank, owa), errSessionNotKnown},
		"copies":  {withCookies(frank, owa), errNothingToCopy},
	} {
		if _, err := test.try(t.Context(), c); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
	}
}

func TestThiefWaitsUntilTheProofExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		step := later(func(context.Context, *cast) (result, error) { return result{}, nil })
		if _, err := step(t.Context(), nil); err != nil || time.Since(began) < proofLife {
			t.Errorf("waited %v, %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := step(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// The configurations and the scenario agree on how long a proof is good.
func TestConfigurationsHaveTheProofsLife(t *testing.T) {
	for _, path := range []string{"Caddyfile", "process.caddyfile"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"session_cookie " + sessionCookie + "\n", "bound_life " + proofLife.String() + " "} {
			if !strings.Contains(string(text), line) {
				t.Errorf("%s has no %q", path, line)
			}
		}
	}
}
