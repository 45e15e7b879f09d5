// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/rsa"
	"fmt"
	"math/big"
	"math/bits"
)

// The sizes of RSA keys in bits. RFC 7518, section 3.3, asks for 2048 at least; the upper bound keeps whoever sends a key
// from choosing what its verification costs.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// maxExponentOctets bounds e below 2^32.
const maxExponentOctets = 4

// rsa makes an RSA key. Both numbers have their fewest octets, RFC 7518, sections 2 and 6.3.1: a leading zero would make a
// second thumbprint. The size is checked before anything is decoded or calculated.
func (m *members) rsa() (*Key, error) {
	if len(m.n) < encoding.EncodedLen(minRSABits/8) || len(m.n) > encoding.EncodedLen(maxRSABits/8) {
		return nil, fmt.Errorf("%w: n is not of %d to %d bits", ErrKey, minRSABits, maxRSABits)
	}
	n, err := minimal("n", m.n)
	if err != nil {
		return nil, err
	}
	if size := 8*len(n) - bits.LeadingZeros8(n[0]); size < minRSABits || size > maxRSABits {
		return nil, fmt.Errorf("%w: n is not of %d to %d bits", ErrKey, minRSABits, maxRSABits)
	}
	if n[len(n)-1]&1 == 0 {
		return nil, fmt.Errorf("%w: n is even", ErrKey)
	}
	e, err := m.exponent()
	if err != nil {
		return nil, err
	}
	modulus := new(big.Int).SetBytes(n)
	if brokenGenerator(modulus) {
		return nil, fmt.Errorf("%w: n comes from a broken key generator (CVE-2017-15361)", ErrKey)
	}
	return &Key{Public: &rsa.PublicKey{N: modulus, E: e}, Thumbprint: thumbprintRSA(m.n, m.e)}, nil
}

// exponent reads e: odd, from 3 to 2^32-1. (crypto/rsa verifies nothing with an e above 2^31-1.)
func (m *members) exponent() (int, error) {
	if len(m.e) > encoding.EncodedLen(maxExponentOctets) {
		return 0, fmt.Errorf("%w: e is larger than 2^32-1", ErrKey)
	}
	digits, err := minimal("e", m.e)
	if err != nil {
		return 0, err
	}
	var e uint32
	for _, digit := range digits {
		e = e<<8 | uint32(digit)
	}
	if e < 3 || e&1 == 0 {
		return 0, fmt.Errorf("%w: e is not an odd number from 3 to 2^32-1", ErrKey)
	}
	return int(e), nil
}

// minimal decodes a Base64urlUInt that has its fewest octets and is not zero. RFC 7518, section 2.
func minimal(name, text string) ([]byte, error) {
	number, err := Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKey, name, err)
	}
	if len(number) == 0 {
		return nil, fmt.Errorf("%w: %s is missing", ErrKey, name)
	}
	if number[0] == 0 {
		return nil, fmt.Errorf("%w: %s has a leading zero octet", ErrKey, name)
	}
	return number, nil
}
