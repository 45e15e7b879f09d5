// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/binary"
)

// member reads a member's name and its colon. Names with escapes are none of ours, or written in an unusual way.
func member(text []byte) (name, rest []byte, ok bool) {
	text = bytes.TrimLeft(text, " ")
	if len(text) == 0 || text[0] != '"' {
		return nil, nil, false
	}
	end := bytes.IndexByte(text[1:], '"') + 1
	if end < 1 || bytes.IndexByte(text[:end], '\\') >= 0 {
		return nil, nil, false
	}
	rest = bytes.TrimLeft(text[end+1:], " ")
	if len(rest) == 0 || rest[0] != ':' {
		return nil, nil, false
	}
	return text[1:end], bytes.TrimLeft(rest[1:], " "), true
}

// extent finds where a value ends, without looking into it.
func extent(text []byte) (value, after []byte, ok bool) {
	end := 0
	switch {
	case len(text) == 0:
		return nil, nil, false
	case text[0] == '"':
		end = stringEnd(text)
	case text[0] == '{' || text[0] == '[':
		end = nestedEnd(text)
	default:
		end = bytes.IndexAny(text, ",}] ")
	}
	if end <= 0 {
		return nil, nil, false
	}
	return text[:end], bytes.TrimLeft(text[end:], " "), true
}

// stringEnd is where the string that text begins with is over, -1 if it is not.
func stringEnd(text []byte) int {
	for i := 1; ; {
		quote := bytes.IndexByte(text[i:], '"')
		if quote < 0 {
			return -1
		}
		i += quote + 1
		backslashes := 0
		for text[i-2-backslashes] == '\\' { // ends at the opening quote at the latest
			backslashes++
		}
		if backslashes%2 == 0 {
			return i
		}
	}
}

// nestedEnd is where the object or array that text begins with is over, -1 if it is not. Whoever decodes it finds out
// whether its brackets match.
func nestedEnd(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			end := stringEnd(text[i:])
			if end < 0 {
				return -1
			}
			i += end - 1
		}
	}
	return -1
}

// plain says whether a value is a string without escapes. Control characters have been ruled out for the whole line.
func plain(value []byte) bool {
	return value[0] == '"' && bytes.IndexByte(value, '\\') < 0
}

// hasControl looks for control characters, which are no part of a JSON text but for white space that we do not write, eight
// bytes at a time.
func hasControl(text []byte) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; len(text) >= 8; text = text[8:] {
		x := binary.LittleEndian.Uint64(text)
		if (x-each*' ')&^x&high != 0 {
			return true
		}
	}
	for _, c := range text {
		if c < ' ' {
			return true
		}
	}
	return false
}
