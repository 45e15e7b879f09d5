// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one symbol of a rule.
type token struct {
	kind     kind
	text     string // of a word, as written; of a quoted string, what it stands for
	position int    // of its first character, from 1
}

type kind int

const (
	end kind = iota
	word
	quoted
	opening // (
	closing // )
	listStart
	listEnd
	comma
)

var punctuation = map[rune]kind{'(': opening, ')': closing, '[': listStart, ']': listEnd, ',': comma}

// found describes the token for an error.
func (t token) found() string {
	switch t.kind {
	case end:
		return "the end of the rule"
	case quoted:
		return fmt.Sprintf("the string %q", t.text)
	}
	return fmt.Sprintf("%q", t.text)
}

// wrong returns an error at the token.
func (t token) wrong(expected string) *SyntaxError {
	return &SyntaxError{Position: t.position, Found: t.found(), Expected: expected}
}

// lexer cuts a rule into tokens.
type lexer struct {
	rest     string
	position int // of the first character of rest
}

func (l *lexer) next() (token, *SyntaxError) {
	l.skip(len(l.rest) - len(strings.TrimLeft(l.rest, " \t\r\n")))
	if l.rest == "" {
		return token{kind: end, position: l.position}, nil
	}
	first, size := utf8.DecodeRuneInString(l.rest)
	t := token{position: l.position}
	if mark, ok := punctuation[first]; ok {
		t.kind, t.text = mark, l.skip(size)
		return t, nil
	}
	switch length := wordLength(l.rest); {
	case first == '"' || first == '\'':
		return l.quoted(first)
	case length > 0:
		t.kind, t.text = word, l.skip(length)
		return t, nil
	}
	return t, &SyntaxError{Position: l.position, Found: fmt.Sprintf("%q", l.rest[:size]), Expected: "a word, a string in quotes, or one of ( ) [ ] ,"}
}

// skip moves over so many bytes and returns them.
func (l *lexer) skip(size int) string {
	text := l.rest[:size]
	l.rest = l.rest[size:]
	l.position += utf8.RuneCountInString(text)
	return text
}

// wordLength returns the length of the word that s begins with: letters, digits, dots, underscores, and hyphens or a
// dollar in front.
func wordLength(s string) int {
	body := strings.TrimLeft(s, "-$")
	for i, r := range body {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' && r != '_' {
			return len(s) - len(body) + i
		}
	}
	return len(s)
}

// quoted reads a string up to the quote that it began with.
func (l *lexer) quoted(quote rune) (token, *SyntaxError) {
	t := token{kind: quoted, position: l.position}
	l.skip(1)
	var text strings.Builder
	for l.rest != "" {
		r, size := utf8.DecodeRuneInString(l.rest)
		if r == utf8.RuneError && size == 1 {
			return t, &SyntaxError{Position: l.position, Found: "a byte that is not UTF-8", Expected: "valid UTF-8"}
		}
		if escaped := l.escaped(quote); escaped {
			l.skip(2)
			text.WriteRune(quote)
			continue
		}
		l.skip(size)
		if r == quote {
			t.text = text.String()
			return t, nil
		}
		text.WriteRune(r)
	}
	return t, &SyntaxError{Position: l.position, Found: "the end of the rule", Expected: fmt.Sprintf("%c, which ends the string that begins at character %d", quote, t.position)}
}

// escaped says whether a quote that is part of the string follows.
func (l *lexer) escaped(quote rune) bool {
	if quote == '"' {
		return strings.HasPrefix(l.rest, "`\"")
	}
	return strings.HasPrefix(l.rest, "''")
}
