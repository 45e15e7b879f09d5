// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package client is the device's side of token protection: it holds a private
// key, proves possession of it with each request (DPoP, RFC 9449), and obtains
// access tokens that are bound to it.
//
// A device makes a [Key] once and keeps it in a file ([Key.Save], [LoadKey]).
// [Key.RequestToken] asks a token endpoint for a token bound to that key, and a
// [Transport] presents the token, with a fresh proof for each request, to the
// resource. Nonce challenges of either server are answered once, unseen by the
// caller. The package knows nothing of Caddy or of how proofs are verified, so
// that the verifier is tested by something it shares no code with.
package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// Algorithm is the JWS name of a signature algorithm (RFC 7518, section 3.1;
// RFC 8037, section 3.1).
type Algorithm string

// The algorithms a device key can have. ES256 is the default, and the one every
// DPoP implementation has to know.
const (
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA"
	RS256 Algorithm = "RS256"
	PS256 Algorithm = "PS256"
)

// rsaBits is the size of generated RSA keys.
const rsaBits = 2048

// ErrAlgorithm says that a key's algorithm is not one of this package's, or does
// not fit the key.
var ErrAlgorithm = errors.New("algorithm must be ES256, ES384, ES512, EdDSA, RS256 or PS256, and fit the key")

// Key is a device's private key together with the algorithm it signs with. It
// is immutable and safe for concurrent use. Printing it (%v, %#v) or marshalling
// it shows nothing secret: the private part leaves only through [Key.Save].
type Key struct {
	algorithm Algorithm
	signer    crypto.Signer
	public    map[string]string // the required members of RFC 7638, section 3.2
}

// GenerateKey makes a new random key for alg; the empty string means ES256.
// It returns [ErrAlgorithm] for any other name that is not one of the constants.
func GenerateKey(alg Algorithm) (*Key, error) {
	var (
		signer crypto.Signer
		err    error
	)
	switch alg {
	case "":
		return GenerateKey(ES256)
	case ES256, ES384, ES512:
		signer, err = ecdsa.GenerateKey(curves[alg].curve, rand.Reader)
	case EdDSA:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case RS256, PS256:
		signer, err = rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		return nil, ErrAlgorithm
	}
	if err != nil {
		return nil, fmt.Errorf("generating a key for %s: %w", alg, err)
	}
	return newKey(alg, signer)
}

// Algorithm returns the algorithm that the key signs with.
func (k *Key) Algorithm() Algorithm { return k.algorithm }

// PublicJWK returns the public key as a JWK (RFC 7517) that has its required
// members only, in the canonical form of RFC 7638, section 3.
func (k *Key) PublicJWK() json.RawMessage {
	// A map of strings cannot fail to marshal, and encoding/json sorts its keys
	// and writes no whitespace: that is RFC 7638's form.
	jwk, _ := json.Marshal(k.public)
	return jwk
}

// Thumbprint returns the RFC 7638 thumbprint of the key with SHA-256, in
// unpadded base64url: what `cnf.jkt` of a token bound to this key says.
func (k *Key) Thumbprint() string {
	sum := sha256.Sum256(k.PublicJWK())
	return encode(sum[:])
}

// String names the key by its algorithm and thumbprint.
func (k *Key) String() string { return string(k.algorithm) + " key " + k.Thumbprint() }

// GoString is String, so that %#v does not print the private part either.
func (k *Key) GoString() string { return k.String() }

// newKey pairs a private key with its algorithm and computes its public members.
func newKey(alg Algorithm, signer crypto.Signer) (*Key, error) {
	public, err := publicMembers(alg, signer.Public())
	if err != nil {
		return nil, err
	}
	return &Key{algorithm: alg, signer: signer, public: public}, nil
}

// publicMembers returns the members that RFC 7638, section 3.2 requires for the
// key's type, and RFC 8037, section 2 for Ed25519.
func publicMembers(alg Algorithm, public crypto.PublicKey) (map[string]string, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		shape, known := curves[alg]
		if !known || shape.curve != key.Curve {
			return nil, ErrAlgorithm
		}
		point, err := key.Bytes() // 0x04, x, y: SEC 1, section 2.3.3
		if err != nil {
			return nil, fmt.Errorf("encoding the public key: %w", err)
		}
		half := (len(point) - 1) / 2
		return map[string]string{
			"kty": "EC", "crv": shape.name,
			"x": encode(point[1 : 1+half]), "y": encode(point[1+half:]),
		}, nil
	case ed25519.PublicKey:
		if alg != EdDSA {
			return nil, ErrAlgorithm
		}
		return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": encode(key)}, nil
	case *rsa.PublicKey:
		if alg != RS256 && alg != PS256 {
			return nil, ErrAlgorithm
		}
		return map[string]string{
			"kty": "RSA",
			"n":   encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
		}, nil
	}
	return nil, ErrAlgorithm
}

// curves ties each ECDSA algorithm to its curve (RFC 7518, section 3.4).
var curves = map[Algorithm]struct {
	name  string
	curve elliptic.Curve
}{
	ES256: {"P-256", elliptic.P256()},
	ES384: {"P-384", elliptic.P384()},
	ES512: {"P-521", elliptic.P521()},
}

// encode is base64url without padding (RFC 7515, section 2).
func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
