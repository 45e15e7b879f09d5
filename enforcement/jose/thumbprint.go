// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// Thumbprint names a public key: the SHA-256 of its required members in lexicographic order. RFC 7638, section 3.
type Thumbprint [sha256.Size]byte

// thumbprintLength is how many characters a thumbprint has in base64url: what a jkt is made of (RFC 9449, section 6.1).
const thumbprintLength = 43

// ParseThumbprint reads a thumbprint: exactly 43 characters of canonical base64url. An error wraps ErrThumbprint.
func ParseThumbprint(s string) (Thumbprint, error) {
	var thumbprint Thumbprint
	if len(s) != thumbprintLength {
		return thumbprint, fmt.Errorf("%w: %d characters, expected %d", ErrThumbprint, len(s), thumbprintLength)
	}
	decoded, err := AppendDecode(thumbprint[:0], s)
	if err != nil {
		return Thumbprint{}, fmt.Errorf("%w: %w", ErrThumbprint, err)
	}
	return Thumbprint(decoded), nil
}

// String returns the thumbprint in base64url without padding, as jkt and kid spell it.
func (t Thumbprint) String() string { return encoding.EncodeToString(t[:]) }

// Equal compares in constant time.
func (t Thumbprint) Equal(other Thumbprint) bool {
	return subtle.ConstantTimeCompare(t[:], other[:]) == 1
}

// The longest input of a thumbprint is that of a 4096 bit RSA key: 683 characters of n, six of e, and the names around them.
const maxThumbprintInput = 768

// thumbprintEC hashes crv, kty, x and y. RFC 7638, section 3.2. The coordinates are canonical base64url, which needs no
// escaping in JSON and has one spelling only: so one key has one thumbprint.
func thumbprintEC(crv, x, y string) Thumbprint {
	input := make([]byte, 0, maxThumbprintInput)
	input = append(input, `{"crv":"`...)
	input = append(input, crv...)
	input = append(input, `","kty":"EC","x":"`...)
	input = append(input, x...)
	input = append(input, `","y":"`...)
	input = append(input, y...)
	input = append(input, `"}`...)
	return sha256.Sum256(input)
}

// thumbprintOKP hashes crv, kty and x. RFC 8037, section 2.
func thumbprintOKP(crv, x string) Thumbprint {
	input := make([]byte, 0, maxThumbprintInput)
	input = append(input, `{"crv":"`...)
	input = append(input, crv...)
	input = append(input, `","kty":"OKP","x":"`...)
	input = append(input, x...)
	input = append(input, `"}`...)
	return sha256.Sum256(input)
}

// thumbprintRSA hashes e, kty and n. RFC 7638, section 3.1.
func thumbprintRSA(n, e string) Thumbprint {
	input := make([]byte, 0, maxThumbprintInput)
	input = append(input, `{"e":"`...)
	input = append(input, e...)
	input = append(input, `","kty":"RSA","n":"`...)
	input = append(input, n...)
	input = append(input, `"}`...)
	return sha256.Sum256(input)
}
