// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"bytes"
	"fmt"
	"unicode/utf8"
	"unsafe"
)

// maxDepth is how many objects and arrays may be open at once, the document's own object included.
const maxDepth = 32

// byteOrderMark is U+FEFF in UTF-8. RFC 8259, section 8.1, lets a parser refuse it.
var byteOrderMark = []byte("\xEF\xBB\xBF")

// ScanObject validates a document that must be one JSON object and nothing else, and calls visit for each of its members,
// in their order. White space around the object is fine. It refuses what RFC 8259 leaves open: invalid UTF-8, a byte order
// mark, half surrogate pairs, nesting deeper than 32, and two members of one name in any object of the document, compared
// after unescaping. Names are exact: "Exp" is not "exp".
//
// An object among the values is itself a document: scan it with ScanObject(value.Raw, ...).
//
// Members are visited while the document is being read: keep nothing of them when the result is an error. An error of
// visit ends the scan and is returned as it is. visit may be nil. The name and the value share the document's memory:
// clone a name before the document is changed or reused. A document without escapes in its names and whose open
// objects have at most 64 members is scanned without an allocation.
//
// Errors wrap ErrSyntax, ErrNotObject, ErrDuplicate, ErrDepth or ErrText.
func ScanObject(document []byte, visit func(name string, value Value) error) error {
	if !utf8.Valid(document) {
		return fmt.Errorf("%w: invalid UTF-8", ErrText)
	}
	if bytes.HasPrefix(document, byteOrderMark) {
		return fmt.Errorf("%w: begins with a byte order mark", ErrText)
	}
	s := scanner{data: document}
	s.space()
	if s.peek() != '{' {
		return ErrNotObject
	}
	if err := s.object(1, visit); err != nil {
		return err
	}
	s.space()
	if s.at != len(s.data) {
		return s.fail(ErrSyntax)
	}
	return nil
}

// scanner walks over a document of valid UTF-8.
type scanner struct {
	data []byte
	at   int // the next octet to read

	// Member names of the objects that are open, the innermost object's last. An array, so that the scanner stays on the stack.
	names [smallObject][]byte
	named int // how many of them are in use
}

// fail says where in the document the rule was broken.
func (s *scanner) fail(rule error) error {
	return fmt.Errorf("%w at octet %d", rule, s.at)
}

// peek returns the next octet, or 0 at the end: NUL is not allowed anywhere in JSON, so the two need no telling apart.
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

// space skips insignificant white space. RFC 8259, section 2.
func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// value scans the value that begins at the next octet, inside of depth open containers.
func (s *scanner) value(depth int) (Kind, error) {
	switch c := s.peek(); c {
	case '"':
		_, err := s.text()
		return String, err
	case '{':
		return Object, s.object(depth+1, nil)
	case '[':
		return Array, s.array(depth+1, nil)
	case 't':
		return Bool, s.literal("true")
	case 'f':
		return Bool, s.literal("false")
	case 'n':
		return Null, s.literal("null")
	default:
		return Number, s.number()
	}
}

// object scans an object as the depth-th open container. RFC 8259, section 4.
func (s *scanner) object(depth int, visit func(string, Value) error) error {
	if depth > maxDepth {
		return s.fail(ErrDepth)
	}
	s.at++
	s.space()
	if s.peek() == '}' {
		s.at++
		return nil
	}
	names := nameSet{base: s.named}
	for {
		name, err := s.name()
		if err != nil {
			return err
		}
		if !names.add(s, name) {
			return s.fail(ErrDuplicate)
		}
		s.space()
		if s.peek() != ':' {
			return s.fail(ErrSyntax)
		}
		s.at++
		s.space()
		start := s.at
		kind, err := s.value(depth)
		if err != nil {
			return err
		}
		if visit != nil {
			if err := visit(alias(name), Value{Kind: kind, Raw: s.data[start:s.at:s.at]}); err != nil {
				return err
			}
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case '}':
			s.at++
			s.named = names.base
			return nil
		default:
			return s.fail(ErrSyntax)
		}
	}
}

// array scans an array as the depth-th open container. RFC 8259, section 5.
func (s *scanner) array(depth int, visit func(Value) error) error {
	if depth > maxDepth {
		return s.fail(ErrDepth)
	}
	s.at++
	s.space()
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		start := s.at
		kind, err := s.value(depth)
		if err != nil {
			return err
		}
		if visit != nil {
			if err := visit(Value{Kind: kind, Raw: s.data[start:s.at:s.at]}); err != nil {
				return err
			}
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case ']':
			s.at++
			return nil
		default:
			return s.fail(ErrSyntax)
		}
	}
}

// name scans a member's name and returns it unescaped; without escapes it is a part of the document.
func (s *scanner) name() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail(ErrSyntax)
	}
	start := s.at
	escaped, err := s.text()
	if err != nil {
		return nil, err
	}
	name := s.data[start+1 : s.at-1 : s.at-1]
	if !escaped {
		return name, nil
	}
	return unescape(name)
}

// alias returns the octets as a string without copying them. Whoever gets the string is told that it lives only as long
// as the octets stay unchanged.
func alias(octets []byte) string {
	return unsafe.String(unsafe.SliceData(octets), len(octets))
}
