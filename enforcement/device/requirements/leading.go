// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package requirements

import (
	"strconv"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/version"
)

// leading reads the version that a text begins with, such as that in `22.217.1016.0002 ship`. What lies behind a fourth
// number does not count. Active Directory writes the build in parentheses: `10.0 (22631)`.
func leading(text string) (version.Version, bool) {
	var v version.Version
	parts := 0
	for parts < len(v) {
		number, rest, ok := digits(text)
		if !ok {
			break
		}
		v[parts] = number
		parts++
		if text, ok = strings.CutPrefix(rest, "."); !ok {
			text = rest
			break
		}
	}
	if build, ok := strings.CutPrefix(text, " ("); ok && parts == 2 {
		if number, rest, ok := digits(build); ok && strings.HasPrefix(rest, ")") {
			v[2] = number
		}
	}
	return v, parts > 0
}

// digits reads the decimal number that a text begins with.
func digits(text string) (number uint32, rest string, ok bool) {
	end := 0
	for end < len(text) && '0' <= text[end] && text[end] <= '9' {
		end++
	}
	if end == 0 {
		return 0, text, false
	}
	parsed, err := strconv.ParseUint(text[:end], 10, 32)
	return uint32(parsed), text[end:], err == nil
}
