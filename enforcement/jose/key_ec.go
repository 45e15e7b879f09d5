// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"fmt"
)

// maxCoordinate is the length of a coordinate on P-521.
const maxCoordinate = 66

// elliptic makes an EC key. Each coordinate has exactly the curve's octets, leading zeros included, and the point is on the
// curve and not at infinity: a point elsewhere turns the verification into arithmetic on a weaker curve. RFC 7518,
// sections 6.2.1.1 to 6.2.1.3.
func (m *members) elliptic() (*Key, error) {
	var curve elliptic.Curve
	switch m.crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, fmt.Errorf("%w: crv is not P-256, P-384 or P-521", ErrKey)
	}
	// SEC 1, section 2.3.3: a point that is not compressed is the octet 4 and both coordinates.
	var buffer [1 + 2*maxCoordinate]byte
	point := append(buffer[:0], 4)
	size := (curve.Params().BitSize + 7) / 8
	point, err := coordinate(point, "x", m.x, size)
	if err != nil {
		return nil, err
	}
	point, err = coordinate(point, "y", m.y, size)
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("%w: x and y are not a point on the curve", ErrKey)
	}
	return &Key{Public: public, Thumbprint: thumbprintEC(m.crv, m.x, m.y)}, nil
}

// coordinate appends a coordinate of exactly size octets to the point. The length is checked on the text, before decoding.
func coordinate(point []byte, name, text string, size int) ([]byte, error) {
	if len(text) != encoding.EncodedLen(size) {
		return nil, fmt.Errorf("%w: %s is not of exactly %d octets", ErrKey, name, size)
	}
	point, err := AppendDecode(point, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKey, name, err)
	}
	return point, nil
}
