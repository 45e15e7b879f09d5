// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package target

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// CanonicalPath returns the one path that every backend reads in the escaped
// path, and false where backends are known to differ: an encoded slash,
// backslash or percent sign, a path parameter, a NUL or control character, a
// dot or space at a segment's end, a doubled slash, invalid UTF-8, characters
// with a compatibility form (a full-width dot is a dot to some), or a raw
// "#". What is ambiguous is never exempt.
func CanonicalPath(escaped string) (string, bool) {
	if escaped == "" || escaped[0] != '/' {
		return "", false
	}
	decoded := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		c, encoded := escaped[i], false
		if c == '%' {
			if i+2 >= len(escaped) || !isHex(escaped[i+1]) || !isHex(escaped[i+2]) {
				return "", false
			}
			c, encoded = unhex(escaped[i+1])<<4|unhex(escaped[i+2]), true
			i += 2
		}
		if c < 0x20 || c == 0x7f || strings.IndexByte(`\;%#?`, c) >= 0 || encoded && c == '/' {
			return "", false
		}
		decoded = append(decoded, c)
	}
	if !utf8.Valid(decoded) || !norm.NFKC.IsNormal(decoded) {
		return "", false
	}
	return canonicalSegments(string(decoded))
}

// canonicalSegments resolves dot segments after decoding, as backends do, and
// refuses the segments that some of them trim or merge.
func canonicalSegments(path string) (string, bool) {
	segments := strings.Split(path[1:], "/")
	kept := make([]string, 0, len(segments))
	for i, segment := range segments {
		last := i == len(segments)-1
		switch {
		case segment == "." || segment == "..":
			if segment == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		case segment == "" && !last,
			strings.HasSuffix(segment, "."), strings.HasSuffix(segment, " "):
			return "", false
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/"), true
}

// Patterns is a compiled list of exempt paths. The zero value exempts nothing.
type Patterns struct {
	exact    map[string]struct{}
	prefixes []string
}

// ParsePatterns compiles paths such as /healthz (that path alone) and
// /public/* (everything below /public/). A pattern is itself a canonical path.
func ParsePatterns(patterns []string) (Patterns, error) {
	p := Patterns{exact: make(map[string]struct{}, len(patterns))}
	for _, pattern := range patterns {
		path, below := strings.CutSuffix(pattern, "*")
		canonical, ok := CanonicalPath(path)
		switch {
		case strings.Contains(path, "*"), below && !strings.HasSuffix(path, "/"):
			return Patterns{}, fmt.Errorf("exempt path %q: a wildcard is allowed only as the last segment, as in /public/*", pattern)
		case !ok || canonical != path:
			return Patterns{}, fmt.Errorf("exempt path %q: expected a canonical path that starts with a slash, without dot segments, encoding tricks or doubled slashes", pattern)
		case below:
			p.prefixes = append(p.prefixes, path)
		default:
			p.exact[path] = struct{}{}
		}
	}
	return p, nil
}

// Match reports whether the escaped path is one of the patterns, in its
// canonical form. Letter case is significant.
func (p Patterns) Match(escaped string) bool {
	if len(p.exact) == 0 && len(p.prefixes) == 0 {
		return false
	}
	path, ok := CanonicalPath(escaped)
	if !ok {
		return false
	}
	if _, ok := p.exact[path]; ok {
		return true
	}
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
