// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package target

import "strings"

const upperHex = "0123456789ABCDEF"

func all(s string, is func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}

// isUnreserved is RFC 3986, section 2.3.
func isUnreserved(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("-._~", c) >= 0
}

// isPathByte is pchar and slash of RFC 3986, section 3.3, without "%".
// Browsers and Exchange clients send some characters beyond it unencoded;
// those that carry no meaning of their own are let through: a proof and a
// request then spell them alike, or do not match.
func isPathByte(c byte) bool {
	return isUnreserved(c) || strings.IndexByte("/!$&'()*+,;=:@|^[]{}`\"<>", c) >= 0
}

// isHostByte allows registered names, IPv4 and bracketed IPv6 literals.
// Percent-encoding, zone ids and anything outside ASCII are refused: mapping
// names is not for one side of a comparison.
func isHostByte(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("-._~!$&'()*+,;=[]:", c) >= 0
}
