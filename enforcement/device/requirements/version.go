// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package requirements

import (
	"fmt"
	"strconv"
	"strings"
)

// maxParts is how many numbers a version has at most: major, minor, build and revision.
const maxParts = 4

// version is a dotted version. Missing parts are zeros.
type version [maxParts]uint32

// parseVersion reads one to four decimal numbers with dots between them. Leading zeros mean nothing.
func parseVersion(text string) (version, error) {
	var v version
	i := 0
	for part := range strings.SplitSeq(text, ".") {
		number, err := strconv.ParseUint(part, 10, 32)
		if i == maxParts || err != nil {
			return version{}, fmt.Errorf("%q is not a version; expected up to four numbers such as 10.0.22631.4037", clip(text))
		}
		v[i] = uint32(number)
		i++
	}
	return v, nil
}

func (v version) compare(other version) int {
	for i := range v {
		switch {
		case v[i] < other[i]:
			return -1
		case v[i] > other[i]:
			return 1
		}
	}
	return 0
}

// CompareVersions compares two dotted versions of one to four numbers: -1 if a is the older, 1 if it is the newer. Missing
// numbers count as zeros. An error names what is not a version.
func CompareVersions(a, b string) (int, error) {
	left, err := parseVersion(a)
	if err != nil {
		return 0, err
	}
	right, err := parseVersion(b)
	if err != nil {
		return 0, err
	}
	return left.compare(right), nil
}

// leading reads the version that a text begins with, such as that in `22.217.1016.0002 ship`. What lies behind a fourth
// number does not count. Active Directory writes the build in parentheses: `10.0 (22631)`.
func leading(text string) (version, bool) {
	var v version
	parts := 0
	for parts < maxParts {
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

// clip shortens what an error repeats.
func clip(text string) string {
	if len(text) > 64 {
		return text[:64] + "..."
	}
	return text
}
