// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"bytes"
	"fmt"
	"math"
	"slices"
)

// Kind is the type of a JSON value. RFC 8259, section 3.
type Kind uint8

// The kinds of JSON values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Object
	Array
)

// String returns the kind's name as it is used in error texts.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "boolean"
	case Number:
		return "number"
	case String:
		return "string"
	case Object:
		return "object"
	case Array:
		return "array"
	}
	return "unknown"
}

// Value is a JSON value that ScanObject has validated.
type Value struct {
	Kind Kind
	Raw  []byte // the value as it stands in the document, whose memory it shares
}

// Bytes returns the characters of a string in UTF-8. They share the document's memory unless the string has escapes: not to
// be changed, nor kept longer than the document. An error wraps ErrType if the value is not a string.
func (v Value) Bytes() ([]byte, error) {
	if v.Kind != String || len(v.Raw) < 2 {
		return nil, v.not("a string")
	}
	return unescape(v.Raw[1 : len(v.Raw)-1])
}

// Text returns the characters of a string as a copy of its own. An error wraps ErrType if the value is not a string.
func (v Value) Text() (string, error) {
	text, err := v.Bytes()
	return string(text), err
}

// Integer returns a number that is written as an integer: 1.0, 1e3 and "1" are not. An error wraps ErrType if the value is
// anything else, or outside of what an int64 can hold.
func (v Value) Integer() (int64, error) {
	digits, negative := bytes.CutPrefix(v.Raw, []byte("-"))
	if v.Kind != Number || len(digits) == 0 {
		return 0, v.not("an integer")
	}
	// Counted downward, because the negative range reaches one further than the positive one.
	var n int64
	for _, c := range digits {
		digit := int64(c) - '0'
		if digit < 0 || digit > 9 {
			return 0, fmt.Errorf("%w: number with a fraction or an exponent, expected an integer", ErrType)
		}
		if n < (math.MinInt64+digit)/10 {
			return 0, fmt.Errorf("%w: integer out of range", ErrType)
		}
		n = n*10 - digit
	}
	if negative {
		return n, nil
	}
	if n == math.MinInt64 {
		return 0, fmt.Errorf("%w: integer out of range", ErrType)
	}
	return -n, nil
}

// Bool returns a boolean. An error wraps ErrType if the value is not one.
func (v Value) Bool() (bool, error) {
	if v.Kind != Bool {
		return false, v.not("a boolean")
	}
	return string(v.Raw) == "true", nil
}

// Strings returns the elements of an array of strings, as copies. An error wraps ErrType if the value or one of its elements
// is anything else.
func (v Value) Strings() ([]string, error) {
	// Two quotation marks for each, and seldom more: lists of groups are kept for as long as their token is.
	all := slices.Grow([]string(nil), bytes.Count(v.Raw, []byte{'"'})/2)
	err := v.Elements(func(element Value) error {
		text, err := element.Text()
		if err == nil {
			all = append(all, text)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Elements calls visit for each element of an array, in their order. An error wraps ErrType if the value is not an array; an
// error of visit ends the walk and is returned as it is.
func (v Value) Elements(visit func(element Value) error) error {
	if v.Kind != Array || len(v.Raw) < 2 {
		return v.not("an array")
	}
	s := scanner{data: v.Raw}
	return s.array(1, visit)
}

// not says that the value is not of the type that was expected.
func (v Value) not(expected string) error {
	return fmt.Errorf("%w: %v, expected %s", ErrType, v.Kind, expected)
}
