// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	mathrand "math/rand/v2"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// sign signs with golang-jwt, as a stranger's client would.
func sign(t testing.TB, alg Algorithm, private crypto.Signer, input string) []byte {
	t.Helper()
	name := string(alg)
	if alg == Ed25519 {
		name = "EdDSA" // golang-jwt knows the old name only
	}
	signature, err := jwt.GetSigningMethod(name).Sign(input, private)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func TestVerify(t *testing.T) {
	const input = "eyJhbGciOiJFUzI1NiJ9.e30"
	for _, sample := range sampleKeys(t) {
		key, err := ParseKey(sample.jwk)
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range sample.algorithms {
			t.Run(sample.name+" "+string(alg), func(t *testing.T) {
				signature := sign(t, alg, sample.private, input)
				if err := key.Verify(alg, input, signature); err != nil {
					t.Fatal(err)
				}
				for name, other := range map[string][]byte{
					"no signature":   nil,
					"cut short":      signature[:len(signature)-1],
					"an octet more":  append(bytes.Clone(signature), 0),
					"an octet first": append([]byte{0}, signature...),
					"all zero":       make([]byte, len(signature)),
					"all ones":       bytes.Repeat([]byte{0xff}, len(signature)),
					"first changed":  changed(signature, 0),
					"last changed":   changed(signature, len(signature)-1),
				} {
					if err := key.Verify(alg, input, other); !errors.Is(err, ErrSignature) {
						t.Errorf("%s: %v", name, err)
					}
				}
				if err := key.Verify(alg, input+"A", signature); !errors.Is(err, ErrSignature) {
					t.Errorf("over another input: %v", err)
				}
			})
		}
	}
}

// changed returns a copy with one bit of one octet turned over.
func changed(signature []byte, at int) []byte {
	other := bytes.Clone(signature)
	other[at] ^= 1
	return other
}

// One RSA key, six algorithms: a signature of one is none of another.
func TestSignatureOfOneAlgorithmIsNoneOfAnother(t *testing.T) {
	for _, sample := range sampleKeys(t) {
		key, err := ParseKey(sample.jwk)
		if err != nil {
			t.Fatal(err)
		}
		for _, signed := range sample.algorithms {
			signature := sign(t, signed, sample.private, "a.b")
			for _, alg := range sample.algorithms {
				if err := key.Verify(alg, "a.b", signature); (err == nil) != signed.same(alg) {
					t.Errorf("%s signed with %s, verified with %s: %v", sample.name, signed, alg, err)
				}
			}
		}
	}
}

func TestPSSSaltIsAsLongAsTheHash(t *testing.T) {
	const input = "a.b"
	for _, sample := range sampleKeys(t) {
		private, ok := sample.private.(*rsa.PrivateKey)
		if !ok {
			continue
		}
		key := &Key{Public: &private.PublicKey}
		digest := sha256.Sum256([]byte(input))
		for salt, valid := range map[int]bool{rsa.PSSSaltLengthEqualsHash: true, 32: true, 1: false, 31: false, 33: false, rsa.PSSSaltLengthAuto: false} {
			signature, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
			if err != nil {
				t.Fatal(err)
			}
			if err := key.Verify(PS256, input, signature); (err == nil) != valid {
				t.Errorf("salt length %d: %v", salt, err)
			}
			if err := jwt.SigningMethodPS256.Verify(input, signature, &private.PublicKey); err != nil {
				t.Errorf("salt length %d: golang-jwt has become strict: %v", salt, err)
			}
		}
	}
}

func TestECDSASignatureIsNotDER(t *testing.T) {
	for _, sample := range sampleKeys(t) {
		private, ok := sample.private.(*ecdsa.PrivateKey)
		if !ok || sample.name != "P-256" {
			continue
		}
		digest := sha256.Sum256([]byte("a.b"))
		signature, err := ecdsa.SignASN1(rand.Reader, private, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		key := &Key{Public: &private.PublicKey}
		if err := key.Verify(ES256, "a.b", signature); !errors.Is(err, ErrSignature) {
			t.Errorf("DER: %v", err)
		}
	}
}

// numbers are what r and s are set to: the edges of their range and beyond it, for a curve of this order.
func numbers(order *big.Int, size int) [][]byte {
	var all [][]byte
	one := big.NewInt(1)
	for _, n := range []*big.Int{
		new(big.Int), one, new(big.Int).Sub(order, one), order, new(big.Int).Add(order, one), new(big.Int).Rsh(order, 1),
	} {
		all = append(all, n.FillBytes(make([]byte, size)))
	}
	return append(all, bytes.Repeat([]byte{0xff}, size))
}

// The way through DER must decide like golang-jwt's way through big integers.
func TestECDSAAgreesWithGolangJWT(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(1, 2))
	for _, sample := range sampleKeys(t) {
		private, ok := sample.private.(*ecdsa.PrivateKey)
		if !ok {
			continue
		}
		alg := sample.algorithms[0]
		key := &Key{Public: &private.PublicKey}
		compare := func(what, input string, signature []byte) {
			t.Helper()
			ours, theirs := key.Verify(alg, input, signature), jwt.GetSigningMethod(string(alg)).Verify(input, signature, &private.PublicKey)
			if (ours == nil) != (theirs == nil) {
				t.Errorf("%s, %s: %v, golang-jwt: %v, signature %x", alg, what, ours, theirs, signature)
			}
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		order := private.Curve.Params().N
		for i := range 40 {
			input := encoding.EncodeToString([]byte{byte(i)}) + ".e30"
			signature := sign(t, alg, private, input)
			compare("valid", input, signature)
			compare("mutated", input, changed(signature, random.IntN(len(signature))))
			compare("cut", input, signature[:random.IntN(len(signature))])
			compare("swapped", input, append(bytes.Clone(signature[size:]), signature[:size]...))
			junk := make([]byte, 2*size)
			for j := range junk {
				junk[j] = byte(random.Uint32())
			}
			compare("random", input, junk)
			clear(junk[:random.IntN(size+1)])
			compare("random with leading zeros", input, junk)
			// (r, n-s) is the other valid signature: malleability is why replay identity is never a proof's text.
			s := new(big.Int).Sub(order, new(big.Int).SetBytes(signature[size:]))
			compare("mirrored", input, append(bytes.Clone(signature[:size]), s.FillBytes(make([]byte, size))...))
		}
		signature := sign(t, alg, private, "a.b")
		for _, n := range numbers(order, size) {
			compare("r at an edge", "a.b", append(bytes.Clone(n), signature[size:]...))
			compare("s at an edge", "a.b", append(bytes.Clone(signature[:size]), n...))
			for _, m := range numbers(order, size) {
				compare("both at an edge", "a.b", append(bytes.Clone(n), m...))
			}
		}
	}
}

func TestDERIsTheCanonicalEncoding(t *testing.T) {
	random := mathrand.New(mathrand.NewPCG(3, 4))
	for range 2000 {
		size := []int{32, 48, 66}[random.IntN(3)]
		r, s := make([]byte, size), make([]byte, size)
		for _, n := range [][]byte{r, s} {
			for i := random.IntN(size); i < size; i++ {
				n[i] = byte(random.Uint32())
			}
			n[size-1] |= 1
		}
		want, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
		if err != nil {
			t.Fatal(err)
		}
		got, ok := appendDER(nil, r, s)
		if !ok || !bytes.Equal(got, want) || len(got) > maxDER {
			t.Fatalf("r %x s %x: got %x, want %x", r, s, got, want)
		}
	}
}

func TestDERRefusesZero(t *testing.T) {
	one, zero := []byte{0, 1}, []byte{0, 0}
	for _, pair := range [][2][]byte{{zero, one}, {one, zero}, {zero, zero}, {nil, nil}} {
		if der, ok := appendDER(nil, pair[0], pair[1]); ok {
			t.Errorf("%x: got %x", pair, der)
		}
	}
}
