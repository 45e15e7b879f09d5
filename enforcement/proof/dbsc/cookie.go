// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"crypto/sha256"
	"net/url"
	"strings"
)

// Our cookies. The prefixes keep siblings of our host from setting them (RFC
// 6265bis, section 4.1.3); __Host- forbids a path, so the key's has the other.
//
// Link and bound cookie have the application's SameSite attribute, so that
// they come when its cookie does. The key cookie has None: after a sign-in
// that another site posted, and for a link that was followed from there, the
// browser registers and refreshes as if that site had asked it to.
const (
	linkCookie  = "__Host-tp-link"
	boundCookie = "__Host-tp-bound"
	keyCookie   = "__Secure-tp-key"
)

// isOurs matches the names of our cookies, however a backend may spell them.
func isOurs(name string) bool {
	return strings.EqualFold(name, linkCookie) || strings.EqualFold(name, boundCookie) || strings.EqualFold(name, keyCookie)
}

// jar is what a request's cookies say, unverified.
type jar struct {
	session     []string // values, one for each of SessionCookies; empty if absent
	link, bound string
	keys        []string // more than one if a sibling of our host set its own
	ambiguous   bool     // a cookie comes twice, or a backend may read one where we do not
}

// maxKeys bounds how many key cookies are tried.
const maxKeys = 4

// read takes the request's cookies apart as browsers write them (RFC 6265,
// section 4.2.1). Whatever a more lenient parser could take for a session
// cookie, and this one does not, makes the request ambiguous.
func (e *Engine) read(fields []string) jar {
	j := jar{session: make([]string, len(e.SessionCookies))}
	var seenSession uint64
	var seenLink, seenBound bool
	for _, field := range fields {
		for pair := range strings.SplitSeq(field, ";") {
			pair = trim(pair)
			name, value, _ := strings.Cut(pair, "=")
			name, value = trim(name), trim(value)
			switch name {
			case linkCookie:
				j.ambiguous = j.ambiguous || seenLink
				j.link, seenLink = value, true
			case boundCookie:
				j.ambiguous = j.ambiguous || seenBound
				j.bound, seenBound = value, true
			case keyCookie:
				if len(j.keys) < maxKeys {
					j.keys = append(j.keys, value)
				}
			default:
				if i, exact := e.sessionCookie(name); i >= 0 {
					j.ambiguous = j.ambiguous || !exact || seenSession&(1<<i) != 0
					j.session[i], seenSession = value, seenSession|1<<i
				}
			}
			j.ambiguous = j.ambiguous || e.hides(pair)
		}
	}
	return j
}

// maxSessionCookies is what read can keep count of.
const maxSessionCookies = 32

// sessionCookie returns which session cookie the name is, or -1. It is not
// exact if only a lenient backend would take it for that.
func (e *Engine) sessionCookie(name string) (index int, exact bool) {
	for i, configured := range e.SessionCookies {
		if name == configured {
			return i, true
		}
	}
	folded := fold(name)
	for i, configured := range e.folded {
		if folded == configured {
			return i, false
		}
	}
	return -1, false
}

// fold maps together the names that backends are known to: without regard to
// case (ASP.NET), percent-decoded (old PHP, old Rack), and with what cannot
// stand in a variable's name replaced (PHP).
func fold(name string) string {
	if strings.IndexByte(name, '%') >= 0 {
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.', ' ', '[', '+':
			return '_'
		}
		return r
	}, strings.ToLower(trim(name)))
}

// delimiters separate cookies for backends that follow RFC 2965, or that end
// a quoted string elsewhere than at its quote.
const delimiters = ",\" \t\r\n\v\f\x00"

// hides reports whether a session cookie's name stands within a pair, where a
// backend could find it after a delimiter that browsers do not use.
func (e *Engine) hides(pair string) bool {
	if !strings.ContainsAny(pair, delimiters) {
		return false
	}
	for i, part := range strings.FieldsFunc(pair, isDelimiter) {
		if i == 0 && !isDelimiter(rune(pair[0])) {
			continue // the pair's own name, and where its value begins
		}
		name, _, _ := strings.Cut(part, "=")
		if i, _ := e.sessionCookie(name); i >= 0 {
			return true
		}
	}
	return false
}

func isDelimiter(r rune) bool { return strings.ContainsRune(delimiters, r) }

// trim removes what browsers do (RFC 6265, section 5.2).
func trim(s string) string { return strings.Trim(s, " \t") }

// digestOf hashes a session cookie with its name; the digest of an empty one
// is zero.
func (e *Engine) digestOf(i int, value string) (d digest) {
	if value == "" {
		return digest{}
	}
	h := sha256.New()
	h.Write([]byte(e.SessionCookies[i])) // a name has no "="
	h.Write([]byte{'='})
	h.Write([]byte(value))
	copy(d[:], h.Sum(nil))
	return d
}

// digestsOf hashes session cookies. The second result is false if there is none.
func (e *Engine) digestsOf(values []string) (all []digest, any bool) {
	all = make([]digest, len(values))
	for i, value := range values {
		all[i] = e.digestOf(i, value)
		any = any || value != ""
	}
	return all, any
}

// fits reports whether every session cookie that is there is the link's. One
// may be missing: their SameSite attributes may differ.
func (l *link) fits(cookies []digest) bool {
	if len(l.cookies) != len(cookies) {
		return false // made under another configuration
	}
	for i, d := range cookies {
		if d != (digest{}) && d != l.cookies[i] {
			return false
		}
	}
	return true
}

// without returns the Cookie fields less the pairs that drop names.
func without(fields []string, drop func(name string) bool) []string {
	var kept []string
	for _, field := range fields {
		var pairs []string
		for pair := range strings.SplitSeq(field, ";") {
			pair = trim(pair)
			name, _, _ := strings.Cut(pair, "=")
			if pair != "" && !drop(trim(name)) {
				pairs = append(pairs, pair)
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	return kept
}

// isToken is RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}
