// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package target is about the URL that the client addressed. A proof names
// it (htu), an exemption matches its path, and both are worthless if two
// spellings of one URL, or one spelling of two URLs, are confused. A [URL]
// is in the normal form of RFC 3986, sections 6.2.2 and 6.2.3, and nothing
// beyond it: case of the path, trailing slashes, doubled slashes and encoded
// reserved characters are significant.
package target

import (
	"errors"
	"fmt"
	"strings"
)

// URL is an absolute http or https URL without query and fragment, in
// normal form. The zero URL matches nothing.
type URL struct {
	// Scheme is "http" or "https".
	Scheme string
	// Host is lower-case, with the port only where it is not the scheme's default.
	Host string
	// Path starts with a slash. Unreserved characters are never encoded,
	// the hexadecimal digits of what is encoded are upper-case.
	Path string
}

// String returns the URL as text.
func (u URL) String() string { return u.Scheme + "://" + u.Host + u.Path }

var (
	errNotAbsolute = errors.New("not an absolute http or https URL")
	errUserinfo    = errors.New("userinfo is not allowed")
	errHost        = errors.New("malformed host")
	errCharacter   = errors.New("character that a URL cannot hold")
	errEscape      = errors.New("malformed percent-encoding")
)

// Parse normalises an absolute http or https URL; query and fragment are
// dropped (RFC 9449, section 4.3, check 9). Errors do not repeat the input.
func Parse(raw string) (URL, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return URL{}, errNotAbsolute
	}
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	host, path := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		host, path = rest[:slash], rest[slash:]
	}
	return New(scheme, host, path)
}

// New normalises a URL given in parts: the scheme, the authority as in a Host
// header, and the path as it was sent, still percent-encoded. An empty path
// is "/".
func New(scheme, host, path string) (URL, error) {
	scheme = strings.ToLower(scheme)
	if scheme != "https" && scheme != "http" {
		return URL{}, errNotAbsolute
	}
	host, err := normalHost(scheme, host)
	if err != nil {
		return URL{}, err
	}
	return URL{Scheme: scheme, Host: host}.WithPath(path)
}

// WithPath returns the URL with another path, given as New takes it.
func (u URL) WithPath(path string) (URL, error) {
	path, err := normalPath(path)
	if err != nil {
		return URL{}, err
	}
	u.Path = path
	return u, nil
}

// Matches reports whether other is a spelling of u. The spelling that a
// client most often sends, u itself, is compared in place.
func (u URL) Matches(other string) bool {
	if u.Scheme == "" {
		return false
	}
	if rest, ok := strings.CutPrefix(other, u.Scheme); ok {
		if rest, ok = strings.CutPrefix(rest, "://"); ok {
			if rest, ok = strings.CutPrefix(rest, u.Host); ok && rest == u.Path {
				return true
			}
		}
	}
	parsed, err := Parse(other)
	return err == nil && parsed == u
}

// normalHost lower-cases the host and drops the scheme's default port
// (RFC 3986, sections 6.2.2.1 and 6.2.3).
func normalHost(scheme, host string) (string, error) {
	if strings.IndexByte(host, '@') >= 0 {
		return "", errUserinfo
	}
	name, port, wellFormed := splitHost(host)
	if !wellFormed || !digitBytes.HasAll(port) || len(port) > 5 {
		return "", errHost
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return strings.ToLower(name), nil
	}
	return strings.ToLower(host), nil
}

// splitHost cuts an authority without userinfo at its port, which may be
// absent or empty. Brackets hold an IPv6 address (RFC 3986, section 3.2.2).
func splitHost(host string) (name, port string, ok bool) {
	if !strings.HasPrefix(host, "[") {
		name, port, _ = strings.Cut(host, ":")
		return name, port, name != "" && hostBytes.HasAll(name)
	}
	end := strings.IndexByte(host, ']') + 1
	if end < len("[::]") || !addressBytes.HasAll(host[1:end-1]) {
		return "", "", false
	}
	name, port = host[:end], host[end:]
	return name, strings.TrimPrefix(port, ":"), port == "" || port[0] == ':'
}

// normalPath decodes what need not be encoded, upper-cases the rest's
// hexadecimal digits and removes dot segments (RFC 3986, sections 6.2.2.1 to
// 6.2.2.3). A path that is in normal form already is returned as it is.
func normalPath(path string) (string, error) {
	if path == "" {
		return "/", nil
	}
	if path[0] != '/' {
		return "", errNotAbsolute
	}
	decoded, err := decodeUnreserved(path)
	if err != nil {
		return "", err
	}
	return removeDotSegments(decoded), nil
}

func decodeUnreserved(path string) (string, error) {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '%':
			return rewriteEscapes(path)
		case !pathBytes.Has(c):
			return "", errCharacter
		}
	}
	return path, nil
}

func rewriteEscapes(path string) (string, error) {
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' {
			if !pathBytes.Has(c) {
				return "", errCharacter
			}
			out = append(out, c)
			continue
		}
		if i+2 >= len(path) || !hexBytes.Has(path[i+1]) || !hexBytes.Has(path[i+2]) {
			return "", errEscape
		}
		if c = unhex(path[i+1])<<4 | unhex(path[i+2]); unreservedBytes.Has(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		}
		i += 2
	}
	return string(out), nil
}

// removeDotSegments is RFC 3986, section 5.2.4, for a path that starts with
// a slash.
func removeDotSegments(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	out := make([]byte, 0, len(path))
	for rest := path; rest != ""; {
		segment := rest // "/" and what follows up to the next slash
		if next := strings.IndexByte(rest[1:], '/'); next >= 0 {
			segment = rest[:next+1]
		}
		rest = rest[len(segment):]
		switch segment {
		case "/.":
			if rest == "" {
				out = append(out, '/')
			}
		case "/..":
			out = out[:max(0, lastSlash(out))]
			if rest == "" {
				out = append(out, '/')
			}
		default:
			out = append(out, segment...)
		}
	}
	return string(out)
}

func lastSlash(path []byte) int {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return i
		}
	}
	return -1
}

// ParseOrigin parses a configured external URL: scheme and host, and a path
// prefix where an outer proxy strips one. Query and fragment are an error.
func ParseOrigin(raw string) (URL, error) {
	u, err := Parse(raw)
	switch {
	case errors.Is(err, errUserinfo): // may be a password: not repeated
		return URL{}, err
	case err != nil:
		return URL{}, fmt.Errorf("%q: %w", raw, err)
	case strings.ContainsAny(raw, "?#"):
		return URL{}, fmt.Errorf("%q: query and fragment are not allowed", raw)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}
