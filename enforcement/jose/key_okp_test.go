// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/ed25519"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// encodePoint encodes y and the sign of x. RFC 8032, section 5.1.2.
func encodePoint(y *big.Int, sign byte) []byte {
	point := y.FillBytes(make([]byte, 32))
	slices.Reverse(point)
	point[31] |= sign << 7
	return point
}

func parseEd25519(point []byte) error {
	_, err := ParseKey([]byte(`{"kty":"OKP","crv":"Ed25519","x":"` + encoding.EncodeToString(point) + `"}`))
	return err
}

func TestEd25519PointOfLowOrderIsRefused(t *testing.T) {
	for _, y := range lowOrder {
		for sign := range byte(2) {
			if err := parseEd25519(encodePoint(y, sign)); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "low order") {
				t.Errorf("y %x, sign %d: %v", y, sign, err)
			}
		}
	}
	t.Run("Ed25519 identity", func(t *testing.T) {
		if err := parseEd25519(append([]byte{1}, make([]byte, 31)...)); !errors.Is(err, ErrKey) {
			t.Errorf("got %v", err)
		}
	})
}

// The list is complete: the points whose order divides eight are those that three doublings bring to the identity (0, 1), and
// their y are the roots of what a doubling makes: y = 1; then -1; then 0; then y^2 with x^2 = y^2 for the two of order eight.
func TestLowOrderListIsRight(t *testing.T) {
	// y of 2P depends on y of P alone: with u = y^2, x^2 = (u-1)/(du+1), y' = (u+x^2)/(1-d*x^2*u).
	double := func(y *big.Int) *big.Int {
		mod := func(n *big.Int) *big.Int { return n.Mod(n, fieldPrime) }
		divide := func(a, b *big.Int) *big.Int { return mod(a.Mul(a, new(big.Int).ModInverse(b, fieldPrime))) }
		one := big.NewInt(1)
		u := mod(new(big.Int).Mul(y, y))
		x2 := divide(new(big.Int).Sub(u, one), mod(new(big.Int).Add(new(big.Int).Mul(curveD, u), one)))
		product := mod(new(big.Int).Mul(curveD, new(big.Int).Mul(x2, u)))
		return divide(new(big.Int).Add(u, x2), mod(new(big.Int).Sub(one, product)))
	}
	points := 0
	for _, y := range lowOrder {
		if !onEdwards25519(y) {
			t.Errorf("%x is not on the curve", y)
		}
		points += 2
		if last := new(big.Int).Mul(y, y); last.Mod(last, fieldPrime).Cmp(big.NewInt(1)) == 0 {
			points-- // x is zero: one point, not two
		}
		if identity := double(double(double(y))); identity.Cmp(big.NewInt(1)) != 0 {
			t.Errorf("%x has another order", y)
		}
	}
	if points != 8 {
		t.Errorf("the list has %d points, the subgroup 8", points)
	}
	if base := encodePoint(double(yCoordinate(ed25519.NewKeyFromSeed(make([]byte, 32))[32:])), 0); parseEd25519(base) != nil {
		t.Errorf("twice a sound key is refused: %v", parseEd25519(base))
	}
}

func TestEd25519KeyIsACanonicalPointOnTheCurve(t *testing.T) {
	sound := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	if err := parseEd25519(sound); err != nil {
		t.Fatal(err)
	}
	t.Run("Ed25519 31 bytes", func(t *testing.T) {
		if err := parseEd25519(sound[:31]); !errors.Is(err, ErrKey) {
			t.Errorf("got %v", err)
		}
	})
	for i := range int64(19) { // all numbers below 2^255 that are not reduced
		y := new(big.Int).Add(fieldPrime, big.NewInt(i))
		for sign := range byte(2) {
			if err := parseEd25519(encodePoint(y, sign)); !errors.Is(err, ErrKey) {
				t.Errorf("p+%d: %v", i, err)
			}
		}
	}
	if err := parseEd25519(append([]byte{2}, make([]byte, 31)...)); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "on the curve") {
		t.Errorf("off the curve: %v", err)
	}
	for _, jwk := range []string{
		`{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}`,
		`{"kty":"OKP","crv":"Ed448","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		`{"kty":"OKP","crv":"ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		`{"kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		`{"kty":"OKP","crv":"Ed25519"}`,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"}`,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}`,
	} {
		if _, err := ParseKey([]byte(jwk)); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", jwk, err)
		}
	}
}

// Every key that is generated is accepted: the check of the curve must not be too strict.
func TestEd25519SoundKeysAreAccepted(t *testing.T) {
	for i := range 100 {
		seed := make([]byte, 32)
		seed[0] = byte(i)
		if err := parseEd25519(ed25519.NewKeyFromSeed(seed)[32:]); err != nil {
			t.Errorf("seed %d: %v", i, err)
		}
	}
}
