// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sameSite is the SameSite attribute of a cookie, the laxest being the
// greatest. A cookie without it is laxer than Lax for its first two minutes,
// which sign-ins that end in a cross-site POST rely on.
type sameSite uint8

const (
	sameSiteStrict sameSite = iota
	sameSiteLax
	sameSiteAbsent
	sameSiteNone
)

// attribute returns the attribute with the separator before it.
func (s sameSite) attribute() string {
	switch s {
	case sameSiteStrict:
		return "; SameSite=Strict"
	case sameSiteLax:
		return "; SameSite=Lax"
	case sameSiteNone:
		return "; SameSite=None"
	}
	return ""
}

// attributes are those of our cookies: the same text in Set-Cookie and in the
// session instructions, or the browser would refresh before every request.
// Max-Age must not be among them.
func attributes(path string, s sameSite) string {
	return "Path=" + path + "; Secure; HttpOnly" + s.attribute()
}

// set adds one of our cookies to a response.
func set(header http.Header, name, value, path string, life time.Duration, s sameSite) {
	header.Add("Set-Cookie", name+"="+value+"; "+attributes(path, s)+"; Max-Age="+strconv.FormatInt(int64(life/time.Second), 10))
}

// forget deletes our cookies.
func (e *Engine) forget(header http.Header) {
	set(header, linkCookie, "", "/", 0, sameSiteAbsent)
	set(header, boundCookie, "", "/", 0, sameSiteAbsent)
	set(header, keyCookie, "", e.Path, 0, sameSiteNone)
}

// assignment is a Set-Cookie field, as far as it matters.
type assignment struct {
	name, value  string
	path, domain string
	sameSite     sameSite
	life         time.Duration // 0 means as long as the browser runs
	deletes      bool
}

// parseSetCookie reads a field as browsers do (RFC 6265, section 5.2), which
// is more lenient than how it should be written.
func parseSetCookie(field string, now time.Time) assignment {
	pair, rest, _ := strings.Cut(field, ";")
	name, value, _ := strings.Cut(pair, "=")
	a := assignment{name: trim(name), value: trim(value), sameSite: sameSiteAbsent}
	var maxAge bool
	for part := range strings.SplitSeq(rest, ";") {
		key, value, _ := strings.Cut(part, "=")
		value = trim(value)
		switch strings.ToLower(trim(key)) {
		case "path":
			a.path = value
		case "domain":
			a.domain = value
		case "samesite":
			a.sameSite = parseSameSite(value)
		case "max-age": // wins over Expires, section 5.3, step 3
			if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
				maxAge = true
				a.lives(time.Duration(max(0, min(seconds, int64(maxLife/time.Second)))) * time.Second)
			}
		case "expires":
			if at, ok := parseExpires(value); ok && !maxAge {
				a.lives(at.Sub(now))
			}
		}
	}
	a.deletes = a.deletes || a.value == ""
	return a
}

// parseExpires reads a date with spaces or hyphens in it, and four digits or
// two for the year, as backends write them.
func parseExpires(value string) (time.Time, bool) {
	value = strings.ReplaceAll(value, "-", " ")
	for _, layout := range [...]string{http.TimeFormat, "Mon, 02 Jan 06 15:04:05 GMT", "Monday, 02 Jan 06 15:04:05 GMT", time.ANSIC} {
		if at, err := time.Parse(layout, value); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func (a *assignment) lives(life time.Duration) {
	a.life, a.deletes = min(life, maxLife), life <= 0
}

func parseSameSite(value string) sameSite {
	switch strings.ToLower(value) {
	case "strict":
		return sameSiteStrict
	case "lax":
		return sameSiteLax
	case "none":
		return sameSiteNone
	}
	return sameSiteAbsent
}

// covers reports whether a cookie of this path is sent to the target (RFC
// 6265, section 5.1.4). Without a path it is that of the request's directory.
func (a *assignment) covers(target, requestPath string) bool {
	p := a.path
	if p == "" || p[0] != '/' {
		p = requestPath[:max(strings.LastIndexByte(requestPath, '/'), 0)]
		if p == "" {
			p = "/"
		}
	}
	rest, ok := strings.CutPrefix(target, p)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(p, "/"))
}

// change is what a response does to the session cookies.
type change struct {
	any      bool     // a session cookie is set or deleted
	cookies  []digest // afterwards
	left     bool     // any is there afterwards
	life     time.Duration
	sameSite sameSite
	reached  bool // all that are set are sent to our endpoints
}

// changes applies a response's Set-Cookie fields to the session cookies that
// there were. Where an application both deletes a cookie, perhaps with another
// path, and sets it, what it sets counts.
func (e *Engine) changes(header http.Header, before []digest, requestPath string, now time.Time) change {
	c := change{cookies: slices.Clone(before), reached: true}
	assigned := make([]bool, len(before))
	for _, field := range header["Set-Cookie"] {
		a := parseSetCookie(field, now)
		i, exact := e.sessionCookie(a.name)
		if i < 0 || !exact {
			continue
		}
		c.any = true
		if a.deletes {
			if !assigned[i] {
				c.cookies[i] = digest{}
			}
			continue
		}
		assigned[i] = true
		c.cookies[i] = e.digestOf(i, a.value)
		c.life = max(c.life, a.life)
		c.sameSite = max(c.sameSite, a.sameSite)
		c.reached = c.reached && a.covers(e.Path+"/", requestPath)
		e.scopes.learn(a)
	}
	if clearsCookies(header) {
		c.any = true
		clear(c.cookies)
	}
	c.left = slices.ContainsFunc(c.cookies, func(d digest) bool { return d != digest{} })
	return c
}

// clearsCookies reports whether the response makes the browser forget the
// site's cookies, ours too (Clear Site Data, section 3.1).
func clearsCookies(header http.Header) bool {
	for _, field := range header["Clear-Site-Data"] {
		if strings.Contains(field, `"cookies"`) || strings.Contains(field, `"*"`) {
			return true
		}
	}
	return false
}

// scopes remembers with which domain and path the application sets its
// cookies: to delete one, a browser must be told the same.
type scopes struct{ byName sync.Map }

func (s *scopes) learn(a assignment) {
	scope := ""
	if a.domain != "" {
		scope = "; Domain=" + a.domain
	}
	if a.path != "" && a.path[0] == '/' {
		scope += "; Path=" + a.path
	} else {
		scope += "; Path=/"
	}
	if known, _ := s.byName.Load(a.name); known != scope {
		s.byName.Store(a.name, scope)
	}
}

func (s *scopes) of(name string) string {
	if scope, ok := s.byName.Load(name); ok {
		return scope.(string)
	}
	return "; Path=/"
}
