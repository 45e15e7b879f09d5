// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package target

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestCanonicalPath(t *testing.T) {
	for escaped, want := range map[string]string{
		"/": "/", "/public": "/public", "/public/": "/public/", "/public/site.css": "/public/site.css",
		"/%70ublic/x": "/public/x", "/p%75bl%69c/%78": "/public/x", "/a%20b": "/a b", "/a+b@c:d,e=f&g!$'()*~|^": "/a+b@c:d,e=f&g!$'()*~|^",
		"/./x": "/x", "/x/../y": "/y", "/x/%2e%2e/y": "/y", "/x/%2e/y/": "/x/y/", "/..": "/", "/../../x": "/x", "/x/.": "/x/", "/x/y/..": "/x/",
		"/.well-known/x": "/.well-known/x", "/...a/..b": "/...a/..b", "/%C3%A9": "/é", "/é": "/é", "/%E6%97%A5": "/日",
		"/PUBLIC": "/PUBLIC", "/owa::$DATA": "/owa::$DATA",
	} {
		if got, ok := CanonicalPath(escaped); !ok || got != want {
			t.Errorf("%s: %q, %v, expected %q", escaped, got, ok, want)
		}
	}
}

// Contract, "Matching": spellings that backends read differently.
var ambiguous = map[string]string{
	"encoded slash":                     "/public/a%2fb",
	"encoded slash, capital":            "/public/a%2Fb",
	"backslash":                         `/public/a\b`,
	"encoded backslash":                 "/public/a%5cb",
	"encoded backslash, capital":        "/public/a%5Cb",
	"path parameter":                    "/public/a;b=c",
	"path parameter on a dot segment":   "/public/..;/owa",
	"encoded semicolon":                 "/public/a%3bb",
	"NUL":                               "/public/a\x00",
	"encoded NUL":                       "/public/a%00",
	"double encoding":                   "/public/%2561",
	"double encoding of dots":           "/public/%252e%252e/owa",
	"double encoding of a slash":        "/public/a%252fb",
	"dot at a segment's end":            "/public./x",
	"dot at the path's end":             "/public/x.",
	"encoded dot at a segment's end":    "/public/x%2e",
	"three dots":                        "/public/.../x",
	"space at a segment's end":          "/public /x",
	"encoded space at a segment's end":  "/public%20/x",
	"space behind dots":                 "/public/..%20/owa",
	"dots behind a space":               "/public/x%20../owa",
	"invalid UTF-8":                     "/public/%ff",
	"invalid UTF-8, unencoded":          "/public/\xff",
	"overlong slash":                    "/public/%c0%af",
	"overlong dot":                      "/public/%c0%ae%c0%ae/owa",
	"surrogate":                         "/public/%ed%a0%80",
	"raw number sign":                   "/public#/owa",
	"encoded number sign":               "/public/%23",
	"question mark":                     "/public/x?y",
	"encoded question mark":             "/public/x%3fy",
	"doubled slash":                     "//public/x",
	"doubled slash inside":              "/public//x",
	"doubled slash at the end":          "/public//",
	"full-width dots":                   "/public/\uff0e\uff0e/owa",
	"full-width letter, encoded":        "/%EF%BD%90ublic/x",
	"full-width slash":                  "/public/a\uff0fb",
	"ligature":                          "/public/\ufb01",
	"no-break space at a segment's end": "/public/x%c2%a0",
	"decomposed letter":                 "/public/e\u0301",
	"line feed":                         "/public/%0a",
	"carriage return":                   "/public/x%0d%0aX-Inj:%201",
	"tab":                               "/public/%09",
	"DEL":                               "/public/%7f",
	"escape cut short":                  "/public/%2",
	"percent sign at the end":           "/public/%",
	"escape of IIS":                     "/public/%u0077",
	"not from the root":                 "public/x",
	"asterisk form":                     "*",
	"absolute form":                     "http://mail.example/public/x",
	"empty":                             "",
}

func TestAmbiguousPathsAreNeverExempt(t *testing.T) {
	everything, err := ParsePatterns([]string{"/*"})
	if err != nil {
		t.Fatal(err)
	}
	for name, escaped := range ambiguous {
		t.Run(name, func(t *testing.T) {
			if got, ok := CanonicalPath(escaped); ok || got != "" {
				t.Errorf("%q is read as %q", escaped, got)
			}
			if everything.Match(escaped) {
				t.Errorf("%q is exempt", escaped)
			}
		})
	}
}

// The probes that showed how stock Caddy forwards what a path matcher misses, against exemptions around /owa.
func TestProbesOfStockCaddy(t *testing.T) {
	patterns, err := ParsePatterns([]string{"/public/*", "/owa/healthcheck.htm"})
	if err != nil {
		t.Fatal(err)
	}
	for _, escaped := range []string{
		"/owa/x", "/OWA/x", "/owa", "/owa/", "//owa/x", "/./owa/x", "/x/../owa/x", "/x/..%2fowa/x", "/owa%2fx", "/owa%2Fx", "/%6fwa/x", "/%6Fwa/x",
		"/%256fwa/x", `/owa\x`, "/owa%5cx", "/x%5c..%5cowa%5cx", "/owa;a=b/x", "/owa./x", "/owa%20/x", "/owa%00/x", "/ow%00a/x", "/owa::$DATA/x",
		"/o%u0077a/x", "/\uff4fwa/x", "/%EF%BD%8Fwa/x", "/public/..;/owa/x", "/owa/../public", "/public/%2e%2e/owa/x", "/public/%2e%2e%2fowa/x",
		"/owa#frag", "/public#/owa/x", "/owa?x=/public", "http://other.example/owa/x", "http://mail.example/owa/x", "/owa/x%0d%0aX-Inj:%201", "*",
		"/a b/owa/x", "/autodiscover/autodiscover.json?@a.b/owa/x",
		"/public", "/Public/x", "/publicx/", "/public%2fx", "/owa/healthcheck.htm/", "/owa/healthcheck.htm/x", "/owa/healthcheck.HTM",
		"/owa/healthcheck.htm.", "/owa/healthcheck.htm%20", "/owa/healthcheck.htm;x", "/owa/x/../healthcheck.htm", "/owa/healthcheck.htm/.",
	} {
		if patterns.Match(escaped) {
			t.Errorf("%s is exempt", escaped)
		}
	}
	for _, escaped := range []string{
		"/public/", "/public/x", "/%70ublic/x", "/public/a/../b", "/public/a/%2e%2e/b", "/public/./x", "/owa/healthcheck.htm", "/%6Fwa/healthcheck.htm",
	} {
		if !patterns.Match(escaped) {
			t.Errorf("%s is not exempt", escaped)
		}
	}
}

// Some backends route first and resolve dot segments later, or resolve only those that are not encoded.
func TestDotSegmentsNeverLeadIntoAnExemption(t *testing.T) {
	patterns, err := ParsePatterns([]string{"/public/*", "/static/css/*", "/healthz"})
	if err != nil {
		t.Fatal(err)
	}
	for _, escaped := range []string{
		"/owa/../public/x", "/owa/%2e%2e/public/x", "/./public/x", "/../public/x", "/x/../healthz", "/healthz/../healthz", "/./healthz",
		"/public/../public/x", "/public/../owa/%2e%2e/public/x", "/public/x/../../public/x", "/static/../public/x", "/static/css/../css/x",
		"/public/..", "/public/../", "/public/x/../..",
	} {
		if patterns.Match(escaped) {
			t.Errorf("%s is exempt", escaped)
		}
	}
}

func TestParsePatternsRefuses(t *testing.T) {
	for pattern, says := range map[string]string{
		"":              "expected a canonical path",
		"public":        "expected a canonical path",
		"/public/../x":  "expected a canonical path",
		"/./x":          "expected a canonical path",
		"/%70ublic":     "expected a canonical path",
		"/a%20b":        "expected a canonical path",
		"/a;b":          "expected a canonical path",
		"/a//b":         "expected a canonical path",
		"/a./*":         "expected a canonical path",
		`/a\b`:          "expected a canonical path",
		"//*":           "expected a canonical path",
		"/a#":           "expected a canonical path",
		"/a?b":          "expected a canonical path",
		"*":             "only as the last segment",
		"/public*":      "only as the last segment",
		"/public/*.css": "only as the last segment",
		"/*/x":          "only as the last segment",
		"/public/**":    "only as the last segment",
		"/*/*":          "only as the last segment",
		"*.css":         "only as the last segment",
	} {
		_, err := ParsePatterns([]string{"/ok", pattern})
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "exempt path") {
			t.Errorf("%q: %v, expected %q", pattern, err, says)
		}
	}
}

func TestNoPatternsExemptNothing(t *testing.T) {
	empty, err := ParsePatterns(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, patterns := range []Patterns{{}, empty} {
		for _, escaped := range []string{"/", "", "/public/x"} {
			if patterns.Match(escaped) {
				t.Errorf("%q is exempt", escaped)
			}
		}
	}
}

// readings are what backends make of a path: decoded again and again, or not; backslash as slash, or not; parameters
// stripped, or not; slashes merged, or not; dot segments resolved, or not.
func readings(escaped string) (all []string) {
	once := func(p string) string {
		if decoded, err := url.PathUnescape(p); err == nil {
			return decoded
		}
		return p
	}
	decoded := []string{escaped, once(escaped), once(once(escaped)), once(once(once(escaped)))}
	for _, p := range decoded {
		for _, p := range []string{p, strings.ReplaceAll(p, `\`, "/")} {
			for _, p := range []string{p, withoutParameters(p)} {
				all = append(all, p, strings.ReplaceAll(p, "//", "/"), path.Clean(p), once(path.Clean(p)), path.Clean(once(path.Clean(p))))
			}
		}
	}
	return all
}

func withoutParameters(p string) string {
	segments := strings.Split(p, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// The readings would find the classic ways out, if they were exempt.
func TestReadingsFindEscapes(t *testing.T) {
	for _, escaped := range []string{
		"/public/../owa", "/public/%2e%2e/owa", "/public/%252e%252e/owa", `/public/..\owa`, "/public/..%5c..%5cowa", "/public/..;/owa", "/public/..%2fowa",
	} {
		out := false
		for _, reading := range readings(escaped) {
			out = out || !strings.HasPrefix(reading, "/public")
		}
		if !out {
			t.Errorf("%s: %q", escaped, readings(escaped))
		}
	}
}

func FuzzCanonicalPathNeverEscapesAPrefix(f *testing.F) {
	for _, escaped := range ambiguous {
		f.Add(escaped)
	}
	for _, escaped := range []string{"/public/x", "/%70ublic/a/../b", "/public/a/%2e%2e/%2e%2e/b", "/owa/../public/x", "/public/../owa/%2e%2e/public/"} {
		f.Add(escaped)
	}
	patterns, err := ParsePatterns([]string{"/public/*"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		canonical, ok := CanonicalPath(escaped)
		if ok && (canonical == "" || canonical[0] != '/' || strings.Contains(canonical, "//")) {
			t.Fatalf("%q is read as %q", escaped, canonical)
		}
		if !patterns.Match(escaped) {
			return
		}
		if !ok || !strings.HasPrefix(canonical, "/public/") {
			t.Fatalf("%q is exempt and read as %q, %v", escaped, canonical, ok)
		}
		for _, reading := range readings(escaped) {
			// What was not decoded at all is spelled differently, and path.Clean drops the slash at the end.
			if reading != escaped && reading != path.Clean(escaped) && !strings.HasPrefix(reading+"/", "/public/") {
				t.Fatalf("%q is exempt and may be read as %q", escaped, reading)
			}
		}
	})
}
