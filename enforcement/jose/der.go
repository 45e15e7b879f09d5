// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

// maxDER is the longest Ecdsa-Sig-Value: two integers of 66 octets, each with a sign octet, a tag and a length, in a
// sequence whose length takes two octets.
const maxDER = 3 + 2*(2+1+maxCoordinate)

// The universal tags of ASN.1 that a signature is made of. ITU-T X.690, sections 8.3 and 8.9.
const (
	derInteger  = 0x02
	derSequence = 0x30
	derLong     = 0x81 // one octet of length follows
)

// appendDER appends r and s as the Ecdsa-Sig-Value that crypto/ecdsa takes, RFC 3279, section 2.2.3. It returns false if one
// of them is zero: no signature has such a number, and "psychic" verifiers accepted both as zero (CVE-2022-21449).
func appendDER(dst, r, s []byte) ([]byte, bool) {
	r, s = trimZeros(r), trimZeros(s)
	if len(r) == 0 || len(s) == 0 {
		return dst, false
	}
	length := integerSize(r) + integerSize(s)
	dst = append(dst, derSequence)
	if length >= 0x80 {
		dst = append(dst, derLong)
	}
	dst = append(dst, byte(length))
	return appendInteger(appendInteger(dst, r), s), true
}

// trimZeros removes leading zero octets.
func trimZeros(number []byte) []byte {
	for len(number) > 0 && number[0] == 0 {
		number = number[1:]
	}
	return number
}

// integerSize is how many octets appendInteger appends.
func integerSize(number []byte) int {
	return 2 + len(number) + int(number[0]>>7)
}

// appendInteger appends a positive number without leading zeros. Its first bit would be a sign: a zero octet goes before it.
func appendInteger(dst, number []byte) []byte {
	dst = append(dst, derInteger, byte(len(number))+number[0]>>7)
	if number[0]>>7 == 1 {
		dst = append(dst, 0)
	}
	return append(dst, number...)
}
