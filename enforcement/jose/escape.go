// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// escape reads the escape sequence at the beginning of b, both halves of a surrogate pair at once, and returns its
// character and how many octets it takes. RFC 8259, section 7. Errors: ErrSyntax, or ErrText for half a surrogate pair.
func escape(b []byte) (character rune, size int, err error) {
	if len(b) < 2 {
		return 0, 0, ErrSyntax
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2, nil
	case 'b':
		return '\b', 2, nil
	case 'f':
		return '\f', 2, nil
	case 'n':
		return '\n', 2, nil
	case 'r':
		return '\r', 2, nil
	case 't':
		return '\t', 2, nil
	}
	first, ok := codeUnit(b)
	if !ok {
		return 0, 0, ErrSyntax
	}
	if !utf16.IsSurrogate(first) {
		return first, 6, nil
	}
	second, ok := codeUnit(b[6:])
	if !ok {
		return 0, 0, ErrText
	}
	if character = utf16.DecodeRune(first, second); character == utf8.RuneError {
		return 0, 0, ErrText
	}
	return character, 12, nil
}

// codeUnit reads \uXXXX.
func codeUnit(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var unit rune
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	return unit, true
}

// unescape returns the characters of a JSON string, given what stands between its quotes: the same memory if there is no
// escape in it. Errors: ErrSyntax, ErrText.
func unescape(raw []byte) ([]byte, error) {
	next := bytes.IndexByte(raw, '\\')
	if next < 0 {
		return raw, nil
	}
	text := make([]byte, 0, len(raw))
	for next >= 0 {
		text = append(text, raw[:next]...)
		character, size, err := escape(raw[next:])
		if err != nil {
			return nil, err
		}
		text = utf8.AppendRune(text, character)
		raw = raw[next+size:]
		next = bytes.IndexByte(raw, '\\')
	}
	return append(text, raw...), nil
}
