// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/tokenprotection/caddy-token-protection/enforcement/octet"
)

// encoding is base64url without padding that also refuses stray bits after the last octet: with them one signature would
// have several spellings. RFC 4648, sections 3.5 and 5; RFC 7515, section 2.
var encoding = base64.RawURLEncoding.Strict()

// Decode decodes base64url in its one canonical spelling: only the alphabet, no padding, no white space, no stray bits. An
// error wraps ErrBase64.
func Decode(segment string) ([]byte, error) {
	return AppendDecode(nil, segment)
}

// AppendDecode appends what Decode returns to dst, and does not allocate if dst has room for it. It returns dst unchanged
// with an error.
func AppendDecode(dst []byte, segment string) ([]byte, error) {
	// The standard library skips line breaks, even when it is strict.
	if strings.IndexByte(segment, '\n') >= 0 || strings.IndexByte(segment, '\r') >= 0 {
		return dst, fmt.Errorf("%w: line break", ErrBase64)
	}
	size := encoding.DecodedLen(len(segment))
	grown := slices.Grow(dst, size)
	n, err := encoding.Decode(grown[len(dst):len(dst)+size], octets(segment))
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrBase64, err)
	}
	return grown[:len(dst)+n], nil
}

// octets returns the string's own octets, for functions that only read them.
func octets(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// alphabet is that of base64url. RFC 4648, section 5.
var alphabet = octet.SetOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
