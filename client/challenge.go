// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"net/http"
	"strings"
)

// Challenge is one challenge of a `WWW-Authenticate` field (RFC 9110, section
// 11.6.1).
type Challenge struct {
	// Scheme is the authentication scheme as the server spelled it. Schemes are
	// compared without regard to case.
	Scheme string
	// Parameters are the challenge's parameters, by lower-case name. A challenge
	// that has a token68 instead of parameters has none here.
	Parameters map[string]string
}

// Challenges returns the challenges of all `WWW-Authenticate` field lines in
// their order. Where a line stops making sense, the rest of it is left out.
func Challenges(header http.Header) []Challenge {
	var found []Challenge
	for _, line := range header.Values("WWW-Authenticate") {
		found = appendChallenges(found, line)
	}
	return found
}

// challengeError returns the `error` parameter of the first challenge with the
// given scheme that has one.
func challengeError(header http.Header, scheme string) string {
	for _, challenge := range Challenges(header) {
		if strings.EqualFold(challenge.Scheme, scheme) && challenge.Parameters["error"] != "" {
			return challenge.Parameters["error"]
		}
	}
	return ""
}

// appendChallenges parses one field line. The grammar is ambiguous at commas: a
// word followed by "=" is a parameter of the challenge before it, any other word
// begins the next challenge.
func appendChallenges(found []Challenge, line string) []Challenge {
	for first := len(found); ; {
		line = strings.TrimLeft(line, " \t,")
		word, rest := cutWord(line)
		if word == "" {
			return found
		}
		after := strings.TrimLeft(rest, " \t")
		if !strings.HasPrefix(after, "=") || len(found) == first {
			found = append(found, Challenge{Scheme: word, Parameters: map[string]string{}})
			line = skipToken68(rest)
			continue
		}
		value, rest, ok := cutValue(strings.TrimLeft(after[1:], " \t"))
		if !ok {
			return found
		}
		found[len(found)-1].Parameters[strings.ToLower(word)] = value
		line = rest
	}
}

// cutWord cuts a token (RFC 9110, section 5.6.2) off the front of s.
func cutWord(s string) (word, rest string) {
	end := 0
	for end < len(s) && isTokenByte(s[end]) {
		end++
	}
	return s[:end], s[end:]
}

func isTokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && !strings.ContainsRune("()<>@,;:\\\"/[]?={}", rune(c))
}

// cutValue cuts a token or quoted string (RFC 9110, section 5.6.4) off the front
// of s; ok is false if there is neither.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutWord(s)
		return value, rest, value != ""
	}
	var text strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return text.String(), s[i+1:], true
		case '\\':
			i++
			if i == len(s) {
				return "", "", false
			}
		}
		text.WriteByte(s[i])
	}
	return "", "", false
}

// skipToken68 steps over the token68 that may follow a scheme: a word that ends,
// with its "=" padding, at a comma or at the end of the line. A space before it
// is required, otherwise there is nothing to skip.
func skipToken68(s string) string {
	word := strings.TrimLeft(s, " \t")
	if len(word) == len(s) {
		return s
	}
	end := 0
	for end < len(word) && (isTokenByte(word[end]) || word[end] == '/') {
		end++
	}
	for end < len(word) && word[end] == '=' {
		end++
	}
	tail := strings.TrimLeft(word[end:], " \t")
	if end > 0 && (tail == "" || tail[0] == ',') {
		return tail
	}
	return s
}
