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
	path, ok := unambiguous(escaped)
	if !ok {
		return "", false
	}
	return removeDotSegments(path), true
}

// unambiguous decodes a path that is free of ambiguity but for dot segments,
// which it leaves in.
func unambiguous(escaped string) (string, bool) {
	if escaped == "" || escaped[0] != '/' {
		return "", false
	}
	path, ok := decode(escaped)
	if !ok || !utf8.ValidString(path) || !norm.NFKC.IsNormalString(path) || !cleanSegments(path) {
		return "", false
	}
	return path, true
}

// decode undoes the percent-encoding, and refuses what backends read
// differently or decode twice. A path without any is returned as it is.
func decode(escaped string) (string, bool) {
	var decoded []byte
	if strings.IndexByte(escaped, '%') >= 0 {
		decoded = make([]byte, 0, len(escaped))
	}
	for i := 0; i < len(escaped); i++ {
		c, encoded := escaped[i], false
		if c == '%' {
			if i+2 >= len(escaped) || !hexBytes.Has(escaped[i+1]) || !hexBytes.Has(escaped[i+2]) {
				return "", false
			}
			c, encoded = unhex(escaped[i+1])<<4|unhex(escaped[i+2]), true
			i += 2
		}
		if ambiguousBytes.Has(c) || encoded && c == '/' {
			return "", false
		}
		if decoded != nil {
			decoded = append(decoded, c)
		}
	}
	if decoded == nil {
		return escaped, true
	}
	return string(decoded), true
}

// cleanSegments refuses the segments that some backends trim or merge.
func cleanSegments(path string) bool {
	for rest, more := path[1:], true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		switch {
		case segment == "." || segment == "..":
		case segment == "" && more, strings.HasSuffix(segment, "."), strings.HasSuffix(segment, " "):
			return false
		}
	}
	return true
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
// canonical form and with its dot segments unresolved: some backends route
// first and resolve later. Letter case is significant.
func (p Patterns) Match(escaped string) bool {
	if len(p.exact) == 0 && len(p.prefixes) == 0 {
		return false
	}
	path, ok := unambiguous(escaped)
	if !ok {
		return false
	}
	if _, ok := p.exact[path]; ok {
		return true
	}
	for _, prefix := range p.prefixes {
		if rest, ok := strings.CutPrefix(path, prefix); ok && staysBelow(rest) {
			return true
		}
	}
	return false
}

// staysBelow reports whether a relative path never climbs above where it
// starts, whichever of its dot segments a backend resolves.
func staysBelow(path string) bool {
	depth := 0
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "..":
			if depth--; depth < 0 {
				return false
			}
		case ".", "":
		default:
			depth++
		}
	}
	return true
}
