// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// proofLife is how long a proof of possession of a session's key is good in
// the demo's configurations (bound_life).
const proofLife = 5 * time.Second

// browserAgent is what the demo's browser calls itself: it is not one, but a
// client that does with device-bound sessions what a browser does.
const browserAgent = "Mozilla/5.0 (compatible; token-protection-demo)"

var (
	errNotSignedIn     = errors.New("the sign-in page came back")
	errNothingToCopy   = errors.New("the browser has no session to copy")
	errSessionNotKnown = errors.New("the application does not know the session")
)

// webUser is somebody with a browser, and what a thief has copied from it.
type webUser struct {
	name    string
	browser *client.Browser
	client  *http.Client
	copied  []*http.Cookie // when a page was last read
}

func (c *cast) newWebUser(name string) *webUser {
	own := *c.plain
	browser := client.NewBrowser(own.Transport)
	own.Transport = browser
	return &webUser{name: name, browser: browser, client: &own}
}

// browserHeader is that of a request by browser or by thief alike.
func browserHeader() http.Header {
	return http.Header{"User-Agent": {browserAgent}}
}

// signsIn fills in the form.
func signsIn(who func(*cast) *webUser) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		u, header := who(c), browserHeader()
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		form := url.Values{"username": {u.name}, "password": {"not checked"}}
		got, err := c.send(ctx, u.client, http.MethodPost, c.Exchange+signInForm, []byte(form.Encode()), header)
		if err == nil && got.status == http.StatusOK && !knows(got, u.name) {
			err = errNotSignedIn
		}
		return got, err
	}
}

// reads loads a page in the browser, whose cookies a thief copies then.
func reads(who func(*cast) *webUser, page func(*cast) string) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		u := who(c)
		got, err := c.send(ctx, u.client, http.MethodGet, page(c), nil, browserHeader())
		if err != nil {
			return got, err
		}
		target, err := url.Parse(page(c))
		if err != nil {
			return got, err
		}
		u.copied = u.browser.Jar.Cookies(target)
		if got.status == http.StatusOK && !knows(got, u.name) {
			err = errSessionNotKnown
		}
		return got, err
	}
}

// signsOut follows the application's link.
func signsOut(who func(*cast) *webUser) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		return c.send(ctx, who(c).client, http.MethodGet, c.Exchange+signOut, nil, browserHeader())
	}
}

// withCookies sends copies of the cookies of these names, or of all.
func withCookies(who func(*cast) *webUser, page func(*cast) string, names ...string) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		var pairs []string
		for _, cookie := range who(c).copied {
			if len(names) == 0 || slices.Contains(names, cookie.Name) {
				pairs = append(pairs, cookie.Name+"="+cookie.Value)
			}
		}
		if len(pairs) == 0 {
			return result{}, errNothingToCopy
		}
		header := browserHeader()
		header.Set("Cookie", strings.Join(pairs, "; "))
		return c.send(ctx, c.plain, http.MethodGet, page(c), nil, header)
	}
}

// later tries something when the proof of before is not good any more.
func later(try func(context.Context, *cast) (result, error)) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		select {
		case <-time.After(proofLife):
		case <-ctx.Done():
			return result{}, ctx.Err()
		}
		return try(ctx, c)
	}
}

// knows reports whether the backend's answer is for the user of a session.
func knows(got result, name string) bool {
	user, _ := findUser(name)
	return strings.Contains(string(got.body), user.UPN)
}
