// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// match holds the claims against the request: method, host, path and time,
// then what covers the query and the headers (the draft, section 4.2).
func (v *Verifier) match(c *claims, r *Request, now time.Time) reason.Reason {
	switch {
	case !v.sameMethod(string(c.method), r.Method):
		return reason.ProofMethod
	case !v.sameURL(string(c.host), string(c.path), r.URL):
		return reason.ProofURL
	case !v.timely(c, now):
		return reason.ProofTime
	case !v.queryCovered(&c.query, r.RawQuery):
		return reason.ProofQuery
	case !v.headersCovered(&c.headers, r):
		return reason.ProofHeaders
	case v.Demand.Body && !c.hasBody:
		return reason.ProofBody
	}
	return reason.None
}

// sameMethod compares m, which is exact (RFC 9110, section 9.1). Microsoft's
// library trims it and ignores case.
func (v *Verifier) sameMethod(m, method string) bool {
	return m == method || v.Microsoft && equalFold(strings.TrimSpace(m), method)
}

// sameURL compares u, a host with its port unless it is the scheme's default,
// and p, after the normalisation of RFC 3986, sections 6.2.2 and 6.2.3.
// Microsoft's library ignores the case of p and the slashes around it, and
// MSAL.js counts on that: it lower-cases the URL and ends it with a slash.
func (v *Verifier) sameURL(host, path string, u target.URL) bool {
	if host == u.Host && path == u.Path {
		return true
	}
	if v.Microsoft && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	named, err := target.New(u.Scheme, host, path)
	return err == nil && (named == u || v.Microsoft && named.Host == u.Host &&
		equalFold(strings.Trim(named.Path, "/"), strings.Trim(u.Path, "/")))
}

// timely is the window of ts on both sides: Microsoft's library has no bound
// in the future. exp and nbf are honoured where present (RFC 7519, sections
// 4.1.4 and 4.1.5).
func (v *Verifier) timely(c *claims, now time.Time) bool {
	seconds, skew := now.Unix(), int64(v.ClockSkew/time.Second)
	return c.created <= seconds+skew && c.created >= seconds-int64(v.MaxAge/time.Second) &&
		(!c.hasExpiry || c.expires > seconds) && (!c.hasNotBefore || c.notBefore <= seconds+skew)
}

func (v *Verifier) queryCovered(c *coverage, query string) bool {
	if !c.present || c.opaque() {
		return !v.Demand.Query && !(v.Demand.WholeQuery && query != "")
	}
	return c.matchQuery(query, v.Demand.WholeQuery)
}

func (v *Verifier) headersCovered(c *coverage, r *Request) bool {
	if !c.present {
		return !v.Demand.Headers
	}
	return c.matchHeaders(r.Header)
}

// equalFold ignores the case of ASCII letters and of no others: to
// strings.EqualFold a long s is an s.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
