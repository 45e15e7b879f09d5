// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"

	"github.com/golang-jwt/jwt/v5"
)

// Verify checks that the signature is the key's over the signing input, by an algorithm that fits the key. An error wraps
// ErrAlgorithm if it does not fit, else ErrSignature, which says nothing about why.
func (k *Key) Verify(alg Algorithm, signingInput string, signature []byte) error {
	if err := k.Fits(alg); err != nil {
		return err
	}
	if public, ok := k.Public.(*ecdsa.PublicKey); ok {
		return verifyECDSA(public, alg, signingInput, signature)
	}
	if err := methods[alg].Verify(signingInput, signature, k.Public); err != nil {
		return ErrSignature
	}
	return nil
}

// methods are golang-jwt's, with its RSASSA-PSS made strict.
var methods = map[Algorithm]jwt.SigningMethod{
	EdDSA:   jwt.SigningMethodEdDSA,
	Ed25519: jwt.SigningMethodEdDSA,
	PS256:   pss(crypto.SHA256),
	PS384:   pss(crypto.SHA384),
	PS512:   pss(crypto.SHA512),
	RS256:   jwt.SigningMethodRS256,
	RS384:   jwt.SigningMethodRS384,
	RS512:   jwt.SigningMethodRS512,
}

// pss is RSASSA-PSS with a salt as long as the hash, RFC 7518, section 3.5. golang-jwt's own accept a salt of any length.
func pss(hash crypto.Hash) *jwt.SigningMethodRSAPSS {
	return &jwt.SigningMethodRSAPSS{
		SigningMethodRSA: &jwt.SigningMethodRSA{Hash: hash},
		VerifyOptions:    &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash},
	}
}

// verifyECDSA checks a signature that is r and s side by side, each of exactly the curve's octets. RFC 7518, section 3.4.
// golang-jwt does the same by way of big integers, for ten allocations more.
func verifyECDSA(public *ecdsa.PublicKey, alg Algorithm, signingInput string, signature []byte) error {
	size := (public.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return ErrSignature
	}
	var digest []byte
	switch alg {
	case ES256:
		sum := sha256.Sum256(octets(signingInput))
		digest = sum[:]
	case ES384:
		sum := sha512.Sum384(octets(signingInput))
		digest = sum[:]
	default: // ES512: Fits lets no other pass
		sum := sha512.Sum512(octets(signingInput))
		digest = sum[:]
	}
	var buffer [maxDER]byte
	der, ok := appendDER(buffer[:0], signature[:size], signature[size:])
	if !ok || !ecdsa.VerifyASN1(public, digest, der) {
		return ErrSignature
	}
	return nil
}
