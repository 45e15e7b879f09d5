// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"strings"
)

// parameter returns a parameter of a structured field, which is a string
// without escapes (RFC 9651, sections 3.1.2 and 3.3.3); empty if there is none.
func parameter(field, name string) string {
	for rest := field; ; {
		at := strings.IndexAny(rest, `;"`)
		switch {
		case at < 0:
			return ""
		case rest[at] == '"':
			_, after, ok := quotedString(rest[at:])
			if !ok {
				return ""
			}
			rest = after
			continue
		}
		rest = strings.TrimLeft(rest[at+1:], " ")
		if value, ok := strings.CutPrefix(rest, name+"="); ok {
			text, _, _ := quotedString(value)
			return text
		}
	}
}

// quotedString reads the string that a text begins with, and returns what is
// behind it.
func quotedString(text string) (content, rest string, ok bool) {
	if text, ok = strings.CutPrefix(text, `"`); !ok {
		return "", "", false
	}
	return strings.Cut(text, `"`)
}
