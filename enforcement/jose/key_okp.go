// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
)

// edwards makes an Ed25519 key: 32 octets that are the canonical encoding of a point on the curve, and not of low order.
// RFC 8037, section 2; RFC 8032, section 5.1.3.
func (m *members) edwards() (*Key, error) {
	if m.crv != "Ed25519" {
		return nil, fmt.Errorf("%w: crv is not Ed25519", ErrKey)
	}
	point, err := coordinate(nil, "x", m.x, ed25519.PublicKeySize)
	if err != nil {
		return nil, err
	}
	y := yCoordinate(point)
	if y.Cmp(fieldPrime) >= 0 {
		return nil, fmt.Errorf("%w: x is not a canonical encoding of a point", ErrKey)
	}
	if !onEdwards25519(y) {
		return nil, fmt.Errorf("%w: x is not a point on the curve", ErrKey)
	}
	if slices.ContainsFunc(lowOrder, func(low *big.Int) bool { return low.Cmp(y) == 0 }) {
		return nil, fmt.Errorf("%w: x is a point of low order", ErrKey)
	}
	return &Key{Public: ed25519.PublicKey(point), Thumbprint: thumbprintOKP(m.crv, m.x)}, nil
}

// fieldPrime is 2^255-19. RFC 8032, section 5.1.
var fieldPrime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

// curveD is the d of the curve's equation, -121665/121666. RFC 8032, section 5.1.
var curveD = func() *big.Int {
	d := new(big.Int).ModInverse(big.NewInt(121666), fieldPrime)
	d.Mul(d, big.NewInt(-121665))
	return d.Mod(d, fieldPrime)
}()

// yCoordinate is the y that a point's encoding holds: 255 bits, the lowest first. The last bit is the sign of x.
func yCoordinate(point []byte) *big.Int {
	y := slices.Clone(point)
	y[len(y)-1] &= 0x7f
	slices.Reverse(y)
	return new(big.Int).SetBytes(y)
}

// onEdwards25519 says whether some point of the curve has this y: x^2 = (y^2-1)/(dy^2+1) has a root. The quotient is a
// square exactly if the product is, which saves the division. RFC 8032, section 5.1.3, step 2.
func onEdwards25519(y *big.Int) bool {
	one := big.NewInt(1)
	square := new(big.Int).Mul(y, y)
	dividend := new(big.Int).Sub(square, one)
	divisor := square.Mul(square, curveD)
	divisor.Add(divisor, one)
	product := dividend.Mul(dividend, divisor)
	return big.Jacobi(product.Mod(product, fieldPrime), fieldPrime) >= 0
}

// lowOrder are the y coordinates of the eight points whose order divides the cofactor. Under such a key one signature is
// valid for one message in eight or for every one, without any secret. RFC 7748, section 6.1, warns of their kin.
var lowOrder = []*big.Int{
	big.NewInt(0), // order 4
	big.NewInt(1), // the identity
	new(big.Int).Sub(fieldPrime, big.NewInt(1)),                               // order 2
	mustY("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), // order 8
	mustY("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), // order 8
}

// mustY reads a constant of this file.
func mustY(text string) *big.Int {
	point, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return yCoordinate(point)
}
