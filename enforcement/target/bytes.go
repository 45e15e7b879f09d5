// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package target

const (
	upperHex = "0123456789ABCDEF"
	digits   = "0123456789"
	letters  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	// unreserved is RFC 3986, section 2.3.
	unreserved = letters + digits + "-._~"
	// subDelims is RFC 3986, section 2.2.
	subDelims = "!$&'()*+,;="
)

// set says of each octet whether it is in.
type set [256]bool

func setOf(octets string) *set {
	s := new(set)
	for i := range len(octets) {
		s[octets[i]] = true
	}
	return s
}

// holds reports whether every octet of the text is in the set.
func (s *set) holds(text string) bool {
	for i := range len(text) {
		if !s[text[i]] {
			return false
		}
	}
	return true
}

var (
	digitBytes      = setOf(digits)
	hexBytes        = setOf(digits + "abcdefABCDEF")
	unreservedBytes = setOf(unreserved)

	// pathBytes is pchar and slash of RFC 3986, section 3.3, without "%".
	// Browsers and Exchange clients send some characters beyond it unencoded;
	// those that carry no meaning of their own are let through: a proof and a
	// request then spell them alike, or do not match.
	pathBytes = setOf(unreserved + subDelims + ":@/" + "|^[]{}`\"<>")

	// hostBytes allows registered names and IPv4 addresses.
	// Percent-encoding and anything outside ASCII are refused: mapping names
	// is not for one side of a comparison.
	hostBytes = setOf(unreserved + subDelims)

	// addressBytes is what an IPv6 address is written with. A zone has no
	// place in a URL that others see.
	addressBytes = setOf(digits + "abcdefABCDEF" + ":.")

	// ambiguousBytes are read differently by different backends wherever they
	// stand in a path, encoded or not: controls, backslash, path parameter,
	// what an escape of an escape leaves, fragment and query.
	ambiguousBytes = func() *set {
		s := setOf("\\;%#?\x7f")
		for c := range ' ' {
			s[c] = true
		}
		return s
	}()
)

func unhex(c byte) byte {
	if digitBytes[c] {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}
