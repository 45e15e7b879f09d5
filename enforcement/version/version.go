// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package version compares the versions of operating systems and client applications: up to four numbers with dots between
// them, such as 10.0.22631.4037 of Windows, 22.217 of OneDrive or 1.6.00.1331 of Teams.
package version

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// parts is how many numbers a version has.
const parts = 4

// Version is a version of four numbers, the most significant first. Its zero value is the lowest.
type Version [parts]uint32

// Parse reads one to four decimal numbers with dots between them. Numbers that are left out are zero, and zeros in front of a
// number do not count: 1.6.00 is 1.6. A number is at most 4,294,967,295. Nothing else may stand before, between or after
// them; the error says what was found.
func Parse(text string) (Version, error) {
	var v Version
	rest := text
	for i := range parts {
		number, after, more := strings.Cut(rest, ".")
		n, ok := parseNumber(number)
		if !ok {
			return Version{}, &SyntaxError{text}
		}
		v[i] = n
		if !more {
			return v, nil
		}
		rest = after
	}
	return Version{}, &SyntaxError{text}
}

// maxDigits bounds a number's length, zeros in front included.
const maxDigits = 10

// parseNumber takes digits alone: strconv would take a sign too.
func parseNumber(text string) (uint32, bool) {
	if len(text) > maxDigits || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil
}

// Compare returns -1 if v is lower than other, +1 if it is higher, and 0 if they are the same.
func (v Version) Compare(other Version) int {
	for i := range v { // slices.Compare would move both to the heap
		if c := cmp.Compare(v[i], other[i]); c != 0 {
			return c
		}
	}
	return 0
}

// String returns the version with all its four numbers, such as 22.217.0.0.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d.%d", v[0], v[1], v[2], v[3]) }

// SyntaxError says that a text is no version.
type SyntaxError struct {
	// Text is what was to be read.
	Text string
}

// maxQuoted bounds what an error quotes, in bytes: versions come from clients too.
const maxQuoted = 64

func (e *SyntaxError) Error() string {
	text := e.Text
	if len(text) > maxQuoted {
		text = text[:maxQuoted] + "..."
	}
	return fmt.Sprintf("%q is no version; expected one to four numbers with dots between them, such as 10.0.22631.4037", text)
}
