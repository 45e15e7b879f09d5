// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package target

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

// RFC 3986, sections 6.2.2 and 6.2.3: what is one URL in two spellings.
func TestParseNormalises(t *testing.T) {
	for _, test := range []struct{ name, raw, want string }{
		{"normal form", "https://mail.contoso.example/api/v2.0/me", "https://mail.contoso.example/api/v2.0/me"},
		{"scheme and host in capitals", "HTTPS://MAIL.Contoso.example/API", "https://mail.contoso.example/API"},
		{"default port", "https://a.example:443/x", "https://a.example/x"},
		{"default port of http", "http://a.example:80/x", "http://a.example/x"},
		{"empty port", "https://a.example:/x", "https://a.example/x"},
		{"other scheme's default port", "https://a.example:80/x", "https://a.example:80/x"},
		{"other scheme's default port, http", "http://a.example:443/x", "http://a.example:443/x"},
		{"capitals and a port", "https://A.example:8443/x", "https://a.example:8443/x"},
		{"empty path", "https://a.example", "https://a.example/"},
		{"empty path with a port", "https://a.example:443", "https://a.example/"},
		{"query", "https://a.example/x?y=/../z", "https://a.example/x"},
		{"query without path", "https://a.example?x", "https://a.example/"},
		{"fragment", "https://a.example/x#y?z", "https://a.example/x"},
		{"fragment without path", "https://a.example#x", "https://a.example/"},
		{"unreserved, encoded", "https://a.example/%7Eu/%41%2d%2E%5f", "https://a.example/~u/A-._"},
		{"reserved, encoded in small letters", "https://a.example/a%2fb%3a", "https://a.example/a%2Fb%3A"},
		{"encoded percent sign", "https://a.example/%2541", "https://a.example/%2541"},
		{"encoded UTF-8", "https://a.example/%c3%a9", "https://a.example/%C3%A9"},
		{"encoded NUL", "https://a.example/%00", "https://a.example/%00"},
		{"dot segments", "https://a.example/x/../api/./v2.0/me", "https://a.example/api/v2.0/me"},
		{"encoded dot segments", "https://a.example/x/%2e%2E/y/%2e/z", "https://a.example/y/z"},
		{"above the root", "https://a.example/../../x", "https://a.example/x"},
		{"dot at the end", "https://a.example/x/.", "https://a.example/x/"},
		{"two dots at the end", "https://a.example/x/y/..", "https://a.example/x/"},
		{"only dots", "https://a.example/..", "https://a.example/"},
		{"three dots are a name", "https://a.example/.../..a/b..", "https://a.example/.../..a/b.."},
		{"RFC 3986, section 5.2.4", "https://a.example/a/b/c/./../../g", "https://a.example/a/g"},
		{"a doubled slash is significant", "https://a.example//x//y/", "https://a.example//x//y/"},
		{"a doubled slash is a segment", "https://a.example/x//../y", "https://a.example/x/y"},
		{"characters beside RFC 3986", "https://a.example/a|b^c[d]{e}`\"<f>", "https://a.example/a|b^c[d]{e}`\"<f>"},
		{"sub-delimiters, encoded or not, differ", "https://a.example/!$%24", "https://a.example/!$%24"},
		{"@ in the path", "https://a.example/@me", "https://a.example/@me"},
		{"IPv4", "http://127.0.0.1:8080/", "http://127.0.0.1:8080/"},
		{"IPv6", "https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"},
		{"IPv6 with a port", "https://[::1]:8443", "https://[::1]:8443/"},
		{"IPv6 with an empty port", "https://[::1]:/", "https://[::1]/"},
		{"a dot behind the host is significant", "https://a.example./", "https://a.example./"},
		{"punycode", "https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := Parse(test.raw)
			if err != nil || u.String() != test.want {
				t.Fatalf("got %s, %v, expected %s", u, err, test.want)
			}
			if !u.Matches(test.raw) || !u.Matches(test.want) {
				t.Error("does not match its own spellings")
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct {
		name, raw string
		want      error
	}{
		{"empty", "", errNotAbsolute},
		{"a path", "/api/v2.0/me", errNotAbsolute},
		{"no scheme", "//a.example/x", errNotAbsolute},
		{"no scheme, not even slashes", "a.example/x", errNotAbsolute},
		{"one slash", "https:/a.example/x", errNotAbsolute},
		{"other scheme", "ftp://a.example/", errNotAbsolute},
		{"wss", "wss://a.example/", errNotAbsolute},
		{"a letter that folds into ASCII", "http\u017f://a.example/", errNotAbsolute},
		{"space in front", " https://a.example/", errNotAbsolute},
		{"no host", "https:///x", errHost},
		{"port alone", "https://:443/x", errHost},
		{"userinfo", "https://mail.contoso.example@evil.example/", errUserinfo},
		{"userinfo with password", "https://u:p@a.example/", errUserinfo},
		{"empty userinfo", "https://@a.example/", errUserinfo},
		{"backslash for the slash", `https://a.example\x`, errHost},
		{"backslash before @", `https://evil.example\@a.example/`, errUserinfo},
		{"encoded host", "https://%61.example/", errHost},
		{"host outside ASCII", "https://bücher.example/", errHost},
		{"space in the host", "https://a .example/", errHost},
		{"control character in the host", "https://a.example\n/", errHost},
		{"port of letters", "https://a.example:x/", errHost},
		{"negative port", "https://a.example:-1/", errHost},
		{"signed port", "https://a.example:+443/", errHost},
		{"port of six digits", "https://a.example:000443/", errHost},
		{"two ports", "https://a.example:1:2/", errHost},
		{"IPv6 without brackets", "https://2001:db8::1/", errHost},
		{"IPv6 not closed", "https://[::1/", errHost},
		{"IPv6 followed by letters", "https://[::1]a/", errHost},
		{"brackets around nothing", "https://[]/", errHost},
		{"brackets around a name", "https://[a.example]/", errHost},
		{"bracket inside a name", "https://a[::1]/", errHost},
		{"zone", "https://[fe80::1%25eth0]/", errHost},
		{"space in the path", "https://a.example/a b", errCharacter},
		{"backslash in the path", `https://a.example/a\b`, errCharacter},
		{"control character in the path", "https://a.example/a\tb", errCharacter},
		{"DEL in the path", "https://a.example/a\x7fb", errCharacter},
		{"UTF-8 in the path", "https://a.example/é", errCharacter},
		{"space behind an escape", "https://a.example/%41 b", errCharacter},
		{"escape cut short", "https://a.example/%4", errEscape},
		{"percent sign alone", "https://a.example/100%", errEscape},
		{"escape of other digits", "https://a.example/%zz", errEscape},
		{"escape of IIS", "https://a.example/%u0077", errEscape},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := Parse(test.raw)
			if !errors.Is(err, test.want) || u != (URL{}) {
				t.Fatalf("got %v, %v, expected %v", u, err, test.want)
			}
			if len(test.raw) > 3 && strings.Contains(err.Error(), test.raw) {
				t.Error("the error repeats the input")
			}
		})
	}
}

// The htu cases of the generated proofs: what was requested, and what the proof says.
func TestMatches(t *testing.T) {
	const me = "https://mail.contoso.example/api/v2.0/me"
	for _, test := range []struct {
		name, request, htu string
		want               bool
	}{
		{"ok-es256", me, me, true},
		{"ok-htu-case-port", me, "HTTPS://MAIL.contoso.example:443/api/v2.0/me", true},
		{"ok-htu-query", me, me + "?x=1#f", true},
		{"ok-request-query", me + "?$select=id&y=%2F", me, true},
		{"ok-pct-unreserved", "https://mail.contoso.example/~u/a%2Fb", "https://mail.contoso.example/%7Eu/a%2fb", true},
		{"ok-dot-segments", me, "https://mail.contoso.example/x/../api/./v2.0/me", true},
		{"ok-empty-path", "https://mail.contoso.example/", "https://mail.contoso.example", true},
		{"replay-htu-variant", me, "https://MAIL.contoso.example:443/api/v2.0/me?z", true},
		{"htu-other-host", me, "https://mail.evil.example/api/v2.0/me", false},
		{"htu-suffix-host", me, "https://mail.contoso.example.evil.example/api/v2.0/me", false},
		{"htu-userinfo", me, "https://mail.contoso.example@evil.example/api/v2.0/me", false},
		{"htu-http", me, "http://mail.contoso.example/api/v2.0/me", false},
		{"htu-other-port", me, "https://mail.contoso.example:8443/api/v2.0/me", false},
		{"htu-trailing-slash", me, me + "/", false},
		{"htu-path-case", me, "https://mail.contoso.example/API/v2.0/me", false},
		{"htu-encoded-slash", me, "https://mail.contoso.example/api%2Fv2.0/me", false},
		{"htu-relative", me, "/api/v2.0/me", false},
		{"htu-prefix", me, "https://mail.contoso.example/api", false},
		{"htu-empty", me, "", false},
		{"doubled slash", me, "https://mail.contoso.example//api/v2.0/me", false},
		{"space behind", me, me + " ", false},
		{"list of two", me, me + "," + me, false},
		{"dot behind the host", me, "https://mail.contoso.example./api/v2.0/me", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := Parse(test.request)
			if err != nil {
				t.Fatal(err)
			}
			if got := u.Matches(test.htu); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// A request whose URL could not be had matches no proof.
func TestZeroURLMatchesNothing(t *testing.T) {
	for _, other := range []string{"", "://", "https://", "https:///", "/", URL{}.String()} {
		if (URL{}).Matches(other) {
			t.Errorf("matches %q", other)
		}
	}
}

func TestNewRefusesRelativePaths(t *testing.T) {
	for _, path := range []string{"x", "*", "?x", " /"} {
		if u, err := New("https", "a.example", path); err == nil {
			t.Errorf("%q: %s", path, u)
		}
	}
	if u, err := New("HTTP", "A.example:80", ""); err != nil || u.String() != "http://a.example/" {
		t.Errorf("%s, %v", u, err)
	}
}

func TestWithPathNormalisesThePath(t *testing.T) {
	origin := URL{Scheme: "https", Host: "mail.contoso.example"}
	for path, want := range map[string]string{"": "/", "/x/../%7Ea": "/~a", "/a%2fb": "/a%2Fb"} {
		if got, err := origin.WithPath(path); err != nil || got != (URL{Scheme: origin.Scheme, Host: origin.Host, Path: want}) {
			t.Errorf("%q: %q, %v; expected the path %q", path, got, err, want)
		}
	}
	for _, path := range []string{"x", "*", "/%2"} {
		if got, err := origin.WithPath(path); err == nil || got != (URL{}) {
			t.Errorf("%q: %q, %v; expected an error", path, got, err)
		}
	}
}

func TestParseOrigin(t *testing.T) {
	for raw, want := range map[string]URL{
		"https://mail.contoso.example":          {"https", "mail.contoso.example", ""},
		"https://mail.contoso.example/":         {"https", "mail.contoso.example", ""},
		"HTTPS://Mail.contoso.example:443/app/": {"https", "mail.contoso.example", "/app"},
		"http://localhost:8080/a/b":             {"http", "localhost:8080", "/a/b"},
	} {
		if u, err := ParseOrigin(raw); err != nil || u != want {
			t.Errorf("%s: %+v, %v", raw, u, err)
		}
	}
	for raw, says := range map[string]string{
		"https://a.example/?x":          "query and fragment are not allowed",
		"https://a.example#x":           "query and fragment are not allowed",
		"https://a.example?":            "query and fragment are not allowed",
		"a.example":                     "not an absolute http or https URL",
		"https://a b/":                  "malformed host",
		"https://user:hunter2@a/":       "userinfo is not allowed",
		"https://user:hunter2@a.b/?x=y": "userinfo is not allowed",
	} {
		_, err := ParseOrigin(raw)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, expected %q", raw, err, says)
		}
	}
}

var seeds = []string{
	"https://mail.contoso.example/api/v2.0/me", "HTTPS://A.example:443/%7e/%2F/../x", "http://[::1]:80", "https://a.example/.//../..//",
	"https://a.example/%2e/%2e%2e/%252e", "https://a@b/", "https://a.example:8443?x#y", "https://a.example/%", "https://A:0443//", "",
}

func FuzzParseIsIdempotent(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := Parse(raw)
		if err != nil {
			if u != (URL{}) {
				t.Fatalf("%q: %s beside %v", raw, u, err)
			}
			return
		}
		again, err := Parse(u.String())
		if err != nil || again != u {
			t.Fatalf("%q: %s, then %s, %v", raw, u, again, err)
		}
		if strings.ToLower(u.Host) != u.Host || u.Path == "" || u.Path[0] != '/' {
			t.Fatalf("%q: %+v is not in normal form", raw, u)
		}
		for segment := range strings.SplitSeq(u.Path, "/") {
			if segment == "." || segment == ".." {
				t.Fatalf("%q: %s has a dot segment", raw, u)
			}
		}
	})
}

// Spellings are equivalent when they have one normal form: reflexive, symmetric, and never across hosts.
func FuzzMatchesIsAnEquivalence(f *testing.F) {
	for _, a := range seeds {
		f.Add(a, seeds[0])
		f.Add(a, a+"?x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		first, err := Parse(a)
		if err != nil {
			return
		}
		if !first.Matches(a) || !first.Matches(first.String()) {
			t.Fatalf("%q does not match itself", a)
		}
		second, err := Parse(b)
		if err != nil {
			if first.Matches(b) {
				t.Fatalf("%q matches %q, which is no URL", a, b)
			}
			return
		}
		if first.Matches(b) != second.Matches(a) || first.Matches(b) != (first == second) {
			t.Fatalf("%q and %q", a, b)
		}
		if !first.Matches(b) {
			return
		}
		x, errX := url.Parse(a)
		y, errY := url.Parse(b)
		if errX == nil && errY == nil && !strings.EqualFold(x.Hostname(), y.Hostname()) {
			t.Fatalf("%q and %q are at different hosts for net/url", a, b)
		}
	})
}
