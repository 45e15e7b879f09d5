// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"slices"
)

// Algorithm is the registered name of a signature algorithm, the value of alg. Only asymmetric ones have a constant: neither
// none nor a MAC can be named. RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864, section 2.2.
type Algorithm string

// The supported algorithms. EdDSA and Ed25519 are two names of one algorithm here: RFC 9864 deprecates the former because it
// does not say the curve, and this package has only one.
const (
	ES256   Algorithm = "ES256"   // ECDSA with P-256 and SHA-256
	ES384   Algorithm = "ES384"   // ECDSA with P-384 and SHA-384
	ES512   Algorithm = "ES512"   // ECDSA with P-521 and SHA-512
	EdDSA   Algorithm = "EdDSA"   // Ed25519
	Ed25519 Algorithm = "Ed25519" // Ed25519
	PS256   Algorithm = "PS256"   // RSASSA-PSS with SHA-256 and a salt of 32 octets
	PS384   Algorithm = "PS384"   // RSASSA-PSS with SHA-384 and a salt of 48 octets
	PS512   Algorithm = "PS512"   // RSASSA-PSS with SHA-512 and a salt of 64 octets
	RS256   Algorithm = "RS256"   // RSASSA-PKCS1-v1_5 with SHA-256
	RS384   Algorithm = "RS384"   // RSASSA-PKCS1-v1_5 with SHA-384
	RS512   Algorithm = "RS512"   // RSASSA-PKCS1-v1_5 with SHA-512
)

var algorithms = []Algorithm{ES256, ES384, ES512, EdDSA, Ed25519, PS256, PS384, PS512, RS256, RS384, RS512}

// Algorithms returns all supported algorithms, in the order in which they should be offered. The slice is the caller's.
func Algorithms() []Algorithm { return slices.Clone(algorithms) }

// ParseAlgorithm returns the supported algorithm of exactly this name; letters of another case make another name. An error
// wraps ErrAlgorithm.
func ParseAlgorithm(name string) (Algorithm, error) {
	for _, supported := range algorithms {
		if name == string(supported) {
			return supported, nil
		}
	}
	return "", errUnsupported
}

var errUnsupported = fmt.Errorf("%w: not a supported name, expected one of %v", ErrAlgorithm, algorithms)

// same says whether two names mean one algorithm.
func (a Algorithm) same(b Algorithm) bool {
	return a == b || a == EdDSA && b == Ed25519 || a == Ed25519 && b == EdDSA
}

// Fits says whether signatures of the algorithm may be checked with the key: the algorithm belongs to the type of the key
// and to its curve, and it is the one that the JWK names, if it names one. An error wraps ErrAlgorithm.
//
// The key decides, never the token: a token that chooses how it is verified chooses to be accepted (RFC 8725, section 3.1).
func (k *Key) Fits(alg Algorithm) error {
	if !alg.suits(k.Public) {
		return fmt.Errorf("%w: does not fit the type of the key", ErrAlgorithm)
	}
	if k.Algorithm != "" && !k.Algorithm.same(alg) {
		return fmt.Errorf("%w: the key is for another one", ErrAlgorithm)
	}
	return nil
}

// suits says whether the algorithm works with this type of key.
func (a Algorithm) suits(public any) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return a == ES256
		case elliptic.P384():
			return a == ES384
		case elliptic.P521():
			return a == ES512
		}
	case ed25519.PublicKey:
		return a == EdDSA || a == Ed25519
	case *rsa.PublicKey:
		switch a {
		case PS256, PS384, PS512, RS256, RS384, RS512:
			return true
		}
	}
	return false
}
