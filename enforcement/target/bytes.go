// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package target

import "github.com/tokenprotection/caddy-token-protection/enforcement/octet"

const (
	upperHex = "0123456789ABCDEF"
	digits   = "0123456789"
	letters  = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	// unreserved is RFC 3986, section 2.3.
	unreserved = letters + digits + "-._~"
	// subDelims is RFC 3986, section 2.2.
	subDelims = "!$&'()*+,;="
	controls  = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f" +
		"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
)

var (
	digitBytes      = octet.SetOf(digits)
	hexBytes        = octet.SetOf(digits + "abcdefABCDEF")
	unreservedBytes = octet.SetOf(unreserved)

	// pathBytes is pchar and slash of RFC 3986, section 3.3, without "%".
	// Browsers and Exchange clients send some characters beyond it unencoded;
	// those that carry no meaning of their own are let through: a proof and a
	// request then spell them alike, or do not match.
	pathBytes = octet.SetOf(unreserved + subDelims + ":@/" + "|^[]{}`\"<>")

	// hostBytes allows registered names and IPv4 addresses.
	// Percent-encoding and anything outside ASCII are refused: mapping names
	// is not for one side of a comparison.
	hostBytes = octet.SetOf(unreserved + subDelims)

	// addressBytes is what an IPv6 address is written with. A zone has no
	// place in a URL that others see.
	addressBytes = octet.SetOf(digits + "abcdefABCDEF" + ":.")

	// ambiguousBytes are read differently by different backends wherever they
	// stand in a path, encoded or not: controls, backslash, path parameter,
	// what an escape of an escape leaves, fragment and query.
	ambiguousBytes = octet.SetOf("\\;%#?\x7f" + controls)
)

func unhex(c byte) byte {
	if digitBytes.Has(c) {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}
