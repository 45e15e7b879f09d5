// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"strings"
)

// Strip removes from a request's header what is ours and not the backend's:
// our cookies, and the fields of device-bound sessions. Call it after Inspect.
func (e *Engine) Strip(header http.Header) {
	for name := range header {
		if isSessionField(name) {
			delete(header, name)
		}
	}
	setCookies(header, without(header["Cookie"], isOurs))
}

// Withhold makes a request without proof an anonymous one: it removes the
// application's session cookies too. It is for paths that need no proof, such
// as the sign-in page: forwarded with the cookie, a copied session could be
// renewed there; without it, whatever session begins is new, and Watch, which
// gets the state that is returned, offers it registration.
func (e *Engine) Withhold(header http.Header, s State) State {
	setCookies(header, without(header["Cookie"], func(name string) bool {
		i, _ := e.sessionCookie(name)
		return i >= 0
	}))
	if s.Status == Ambiguous { // whatever made it so could be one in disguise
		delete(header, "Cookie")
	}
	return State{
		Status: Anonymous, Skipped: s.Skipped,
		cookies: jar{link: s.cookies.link, bound: s.cookies.bound},
		digests: make([]digest, len(e.SessionCookies)),
	}
}

// Refuse adds to a refusal what lets its browser go on. A browser that has
// not renewed its proof is made to by taking the old one away. A session that
// no refresh can save loses its cookies, so that the next request reaches the
// sign-in page; without this its user would be locked out until the
// application's cookie expires. A thief only loses the copies.
func (e *Engine) Refuse(header http.Header, s State) {
	switch s.Status {
	case Expired:
		set(header, boundCookie, "", "/", 0, sameSiteAbsent)
	case Unproven, Missing, Mismatched, Ended:
		if s.Skipped { // it may have a session, and could not reach us
			return
		}
		for i, name := range e.SessionCookies {
			if s.cookies.session[i] != "" {
				header.Add("Set-Cookie", name+"=; Max-Age=0; Secure; HttpOnly"+e.scopes.of(name))
			}
		}
		e.forget(header)
	}
}

func setCookies(header http.Header, fields []string) {
	if len(fields) == 0 {
		delete(header, "Cookie")
		return
	}
	header["Cookie"] = fields
}

// isSessionField matches the fields of device-bound sessions, under their
// present and former names, and as backends behind CGI would read them.
func isSessionField(name string) bool {
	if len(name) < len("sec-session-") || name[0]|0x20 != 's' {
		return false
	}
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return strings.HasPrefix(name, "secure-session-") || strings.HasPrefix(name, "sec-secure-session-") || strings.HasPrefix(name, "sec-session-")
}
