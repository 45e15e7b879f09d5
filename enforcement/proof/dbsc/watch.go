// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// Event is what happened to a session, for logs and metrics.
type Event string

// The events of [Engine.Watch].
const (
	// Nothing happened.
	Nothing Event = ""
	// Offered: the application signed somebody in; registration is offered.
	Offered Event = "offered"
	// Followed: the application changed its cookie in a proven request.
	Followed Event = "followed"
	// Keyed: a request of the session was bound. Its link says from now on that
	// a proof is owed, so that copies of it cannot go without.
	Keyed Event = "keyed"
	// SignedOut: the application deleted its cookie.
	SignedOut Event = "signed_out"
	// Ignored: the application changed its cookie in a request that proved
	// nothing. The new value is not bound and cannot be registered; it only
	// keeps its user, if that is known.
	Ignored Event = "ignored"
	// Unreachable: the application signed somebody in, but its cookie is not
	// sent to our endpoints, or the origin is not https: no browser can register.
	Unreachable Event = "unreachable"
)

// Watch follows what the application does to its session cookies, in the
// header of its response to r, whose state Inspect found. It is called for
// every response that came from the backend, before the header is written.
// The user is whom the application signed in, if that is known; it is kept
// for the requests that follow.
//
// The application's own attempts at device-bound sessions are removed, and so
// are cookies of our names.
func (e *Engine) Watch(header http.Header, r *http.Request, s State, user string) Event {
	removeResponseFields(header)
	now, user := e.Now(), cleanUser(user)
	before := s.digests
	if s.link != nil {
		before = s.link.cookies // one that this request did not carry may be among them
	}
	c := e.changes(header, before, r.URL.Path, now)
	switch {
	case s.Status == Ambiguous:
		return ignoredIf(c.any)
	case c.any && !c.left:
		return e.signOut(header, &s, now)
	case c.any && s.Status == Anonymous:
		return e.offer(header, r, c, link{user: user}, now)
	case c.any && s.Proven():
		return e.follow(header, r, &s, *s.link, c, user)
	case c.any && e.Adopt && s.link != nil:
		adopted := *s.link
		adopted.adopted, adopted.loose = true, false
		return e.follow(header, r, &s, adopted, c, user)
	case c.any && s.link != nil && s.User != "": // policies let this user off, and have to know him next time
		loose := *s.link
		loose.loose = true
		e.follow(header, r, &s, loose, c, user)
		return Ignored
	case e.Adopt && !s.Proven() && c.left && s.link == nil && (c.any || isNavigation(r)):
		return e.offer(header, r, c, link{user: user, adopted: true}, now)
	case s.Proven() && user != "" && user != s.User: // the application named somebody later, or anew
		return e.follow(header, r, &s, *s.link, c, user)
	case s.Status == Bound && !s.link.keyed && e.marks(header, r, &s, now):
		e.follow(header, r, &s, *s.link, c, user)
		return Keyed
	}
	return ignoredIf(c.any)
}

// marks reports whether the response to a bound request is one that the link
// is written with again, though the application sets nothing. Another one that
// is under way with a change of the application's cookie would be undone by
// that: so it is one that no other accompanies, the loading of a page, or, for
// applications that load just one, the first when the sign-in is long over.
func (e *Engine) marks(header http.Header, r *http.Request, s *State, now time.Time) bool {
	return (isNavigation(r) || !within(s.SignedIn, e.Grace, now)) && !isShared(header)
}

func ignoredIf(changed bool) Event {
	if changed {
		return Ignored
	}
	return Nothing
}

// offer begins a session: it links the new cookies to it and offers the
// browser to register a key for it, once. The challenge is for this session
// and nothing else, and it is in no cookie, so that whoever copies the cookies
// cannot answer it.
func (e *Engine) offer(header http.Header, r *http.Request, c change, l link, now time.Time) Event {
	origin := e.Origin(r)
	if !strings.HasPrefix(origin, "https://") {
		return Unreachable
	}
	l.session, l.cookies, l.signedIn = newSessionID(), c.cookies, now
	l.life, l.sameSite = max(e.SessionLife, c.life), c.sameSite
	if !c.any {
		l.sameSite = sameSiteAbsent // adopted as it came
	}
	e.setLink(header, &l, origin)
	place := holder{session: l.session, expires: now.Add(l.life), life: l.life, sameSite: l.sameSite, adopted: l.adopted}
	sealed, err := place.encode()
	if err != nil || !c.reached {
		return Unreachable
	}
	set(header, keyCookie, e.keys.seal(sealed, origin), e.Path, l.life, sameSiteNone)
	issued := challenge{session: l.session, issued: now, scope: e.Memory.Scope()}
	header.Set("Secure-Session-Registration", `(ES256 RS256);path="`+e.Path+`/register";challenge="`+e.registerChallenge.seal(issued.encode(), origin)+`"`)
	return Offered
}

// follow links the changed cookies to the session that the request had. The
// time of sign-in stays, and with it the end of the grace period.
func (e *Engine) follow(header http.Header, r *http.Request, s *State, l link, c change, user string) Event {
	l.cookies, l.keyed = c.cookies, l.keyed || s.Status == Bound
	l.life, l.sameSite = max(l.life, c.life), max(l.sameSite, c.sameSite)
	if user != "" {
		l.user = user
	}
	e.setLink(header, &l, e.Origin(r))
	return Followed
}

func (e *Engine) setLink(header http.Header, l *link, origin string) {
	set(header, linkCookie, e.links.seal(l.encode(), origin), "/", l.life, l.sameSite)
}

// signOut ends a session: our cookies go, and copies of them are dead on this
// node for as long as they could be good. Its next refresh is told to stop.
func (e *Engine) signOut(header http.Header, s *State, now time.Time) Event {
	if s.Status == Anonymous && s.cookies.link == "" && s.cookies.bound == "" {
		return Nothing // a sign-in page that clears the way
	}
	e.forget(header)
	if s.link != nil {
		e.Memory.Add(s.link.session.memory(ended), ended, now)
	}
	return SignedOut
}

// Withhold1xx takes out of an informational response, such as Early Hints, what
// Watch looks for in the final one: browsers need neither there, and what got
// past Watch would be bound to nothing.
func (e *Engine) Withhold1xx(header http.Header) {
	removeResponseFields(header)
	delete(header, "Set-Cookie")
	delete(header, "Clear-Site-Data")
}

// removeResponseFields takes out what a backend must not say: its own
// device-bound sessions would widen or end ours, and cookies of our names are
// not its to set.
func removeResponseFields(header http.Header) {
	for name := range header {
		if isSessionField(name) {
			delete(header, name)
		}
	}
	kept := header["Set-Cookie"][:0:0]
	for _, field := range header["Set-Cookie"] {
		name, _, _ := strings.Cut(field, "=")
		if !isOurs(trim(name)) {
			kept = append(kept, field)
		}
	}
	if len(kept) == 0 {
		delete(header, "Set-Cookie")
	} else if len(kept) < len(header["Set-Cookie"]) {
		header["Set-Cookie"] = kept
	}
}

// isShared reports whether a cache may give the response to others: a cookie
// of ours must not be in it.
func isShared(header http.Header) bool {
	for _, field := range header["Cache-Control"] {
		for directive := range strings.SplitSeq(strings.ToLower(field), ",") {
			if name, _, _ := strings.Cut(directive, "="); trim(name) == "public" || trim(name) == "s-maxage" {
				return true
			}
		}
	}
	return false
}

// isNavigation reports whether the browser is loading a page.
func isNavigation(r *http.Request) bool { return r.Header.Get("Sec-Fetch-Mode") == "navigate" }

// cleanUser returns a name that can be kept, or none.
func cleanUser(user string) string {
	if len(user) > maxUser || !utf8.ValidString(user) || strings.ContainsFunc(user, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return user
}
