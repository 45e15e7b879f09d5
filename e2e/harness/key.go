// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

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
	"fmt"
	"math/big"

	"github.com/golang-jwt/jwt/v5"
)

// Object is a JSON object, such as a JOSE header, a claims set or a JWK.
type Object = map[string]any

// With returns a copy of the object with changes made to it; a nil value
// removes the member.
func With(o Object, changes Object) Object {
	merged := make(Object, len(o)+len(changes))
	for name, value := range o {
		merged[name] = value
	}
	for name, value := range changes {
		if merged[name] = value; value == nil {
			delete(merged, name)
		}
	}
	return merged
}

// Key signs tokens or proofs with one algorithm.
type Key struct {
	Algorithm string // the JWS name
	Private   crypto.Signer
}

// NewKey makes a key for ES256, ES384, ES512, EdDSA, or, with 2048 bits, an
// RS or PS algorithm.
func NewKey(algorithm string) Key {
	var private crypto.Signer
	var err error
	switch algorithm {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		panic(fmt.Sprintf("a key for %s: %v", algorithm, err))
	}
	key := Key{Algorithm: algorithm, Private: private}
	if d, ok := key.PrivateJWK()["d"].(string); ok {
		Secret("private key", d)
	}
	return key
}

// B64 is unpadded base64url.
func B64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// JWK is the public key.
func (k Key) JWK() Object {
	switch public := k.Private.Public().(type) {
	case *ecdsa.PublicKey:
		point := must(public.Bytes())[1:] // after the 4 that says uncompressed
		return Object{"kty": "EC", "crv": public.Curve.Params().Name, "x": B64(point[:len(point)/2]), "y": B64(point[len(point)/2:])}
	case ed25519.PublicKey:
		return Object{"kty": "OKP", "crv": "Ed25519", "x": B64(public)}
	case *rsa.PublicKey:
		return Object{"kty": "RSA", "n": B64(public.N.Bytes()), "e": B64(big.NewInt(int64(public.E)).Bytes())}
	default:
		panic("unknown kind of key")
	}
}

// PrivateJWK is the whole key, to be given to another signer.
func (k Key) PrivateJWK() Object {
	switch private := k.Private.(type) {
	case *ecdsa.PrivateKey:
		return With(k.JWK(), Object{"d": B64(must(private.Bytes()))})
	case ed25519.PrivateKey:
		return With(k.JWK(), Object{"d": B64(private.Seed())})
	case *rsa.PrivateKey:
		return With(k.JWK(), Object{"d": B64(private.D.Bytes()), "p": B64(private.Primes[0].Bytes()), "q": B64(private.Primes[1].Bytes())})
	default:
		panic("unknown kind of key")
	}
}

// Thumbprint is RFC 7638 with SHA-256. The members of JWK are the required
// ones, and json.Marshal sorts them, as section 3.3 asks.
func (k Key) Thumbprint() string {
	hash := sha256.Sum256(encode(k.JWK()))
	return B64(hash[:])
}

// Sign makes a compact JWS. Header and claims may be a json.RawMessage where
// the exact bytes matter. The algorithm is the key's, whatever the header says.
func (k Key) Sign(header, claims any) string {
	input := B64(encode(header)) + "." + B64(encode(claims))
	return Secret("token or proof", input+"."+B64(k.Signature(input)))
}

// Signature signs the input of a JWS.
func (k Key) Signature(input string) []byte {
	return must(jwt.GetSigningMethod(k.Algorithm).Sign(input, k.Private))
}

// HMAC makes a compact JWS with a symmetric algorithm.
func HMAC(algorithm string, secret []byte, header, claims any) string {
	input := B64(encode(header)) + "." + B64(encode(claims))
	return Secret("token or proof", input+"."+B64(must(jwt.GetSigningMethod(algorithm).Sign(input, secret))))
}

func encode(v any) []byte {
	if raw, ok := v.(json.RawMessage); ok {
		return raw
	}
	return must(json.Marshal(v))
}

// must is for what cannot fail unless the test itself is wrong.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
