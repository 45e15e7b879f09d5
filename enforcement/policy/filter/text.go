// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"unicode"
	"unicode/utf8"
)

// needle is a text to compare with, its characters folded.
type needle []rune

func newNeedle(text string) needle {
	n := needle(text)
	for i := range n {
		n[i] = fold(n[i])
	}
	return n
}

// fold gives all cases of a character one form. A character of ASCII has only forms in ASCII: the Kelvin sign is no K
// and the long s no s, as in .NET's comparisons.
func fold(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z':
		return r - 'a' + 'A'
	case r < utf8.RuneSelf:
		return r
	}
	if upper := unicode.ToUpper(r); upper >= utf8.RuneSelf {
		return upper
	}
	return r
}

// prefix returns what follows the needle in a text that begins with it.
func (n needle) prefix(text string) (rest string, ok bool) {
	for _, want := range n {
		r, size := utf8.DecodeRuneInString(text)
		if size == 0 || fold(r) != want {
			return "", false
		}
		text = text[size:]
	}
	return text, true
}

func (n needle) begins(text string) bool {
	_, ok := n.prefix(text)
	return ok
}

func (n needle) equals(text string) bool {
	rest, ok := n.prefix(text)
	return ok && rest == ""
}

func (n needle) ends(text string) bool {
	skip := utf8.RuneCountInString(text) - len(n)
	if skip < 0 {
		return false
	}
	for range skip {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	return n.equals(text)
}

func (n needle) within(text string) bool {
	for {
		if n.begins(text) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text)
		if size == 0 {
			return false
		}
		text = text[size:]
	}
}
