// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"sync"
	"testing"
)

// sample is a fresh key pair of one type.
type sample struct {
	name       string
	private    crypto.Signer
	jwk        []byte
	algorithms []Algorithm // those that fit it
}

// samples are made once: RSA keys take their time.
var samples = sync.OnceValues(func() ([]sample, error) {
	rsaAlgorithms := []Algorithm{PS256, PS384, PS512, RS256, RS384, RS512}
	var all []sample
	add := func(name string, private crypto.Signer, err error, algorithms ...Algorithm) error {
		if err != nil {
			return err
		}
		jwk, err := json.Marshal(publicMembers(private.Public()))
		all = append(all, sample{name, private, jwk, algorithms})
		return err
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := add("P-256", p256, err, ES256); err != nil {
		return nil, err
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err := add("P-384", p384, err, ES384); err != nil {
		return nil, err
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err := add("P-521", p521, err, ES512); err != nil {
		return nil, err
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err := add("Ed25519", ed, err, EdDSA, Ed25519); err != nil {
		return nil, err
	}
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err := add("RSA-2048", rsa2048, err, rsaAlgorithms...); err != nil {
		return nil, err
	}
	return all, nil
})

func sampleKeys(t testing.TB) []sample {
	t.Helper()
	all, err := samples()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// publicMembers are the required members of a public key's JWK, made by the standards' text and not by this package.
func publicMembers(public crypto.PublicKey) map[string]any {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		point, err := key.Bytes()
		if err != nil {
			panic(err)
		}
		return map[string]any{
			"kty": "EC", "crv": key.Curve.Params().Name,
			"x": encoding.EncodeToString(point[1 : 1+size]), "y": encoding.EncodeToString(point[1+size:]),
		}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": encoding.EncodeToString(key)}
	case *rsa.PublicKey:
		return map[string]any{
			"kty": "RSA", "n": encoding.EncodeToString(key.N.Bytes()),
			"e": encoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
		}
	}
	panic("no such key type")
}
