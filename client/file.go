// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
)

// maxKeyFile bounds what LoadKey reads, in bytes. An RSA key of 4096 bits has
// less than 4 KiB.
const maxKeyFile = 16 << 10

// privateJWK has the members of a private JWK that this package writes and reads
// (RFC 7518, section 6; RFC 8037, section 2).
type privateJWK struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	Alg string `json:"alg,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	D   string `json:"d"`
	P   string `json:"p,omitempty"`
	Q   string `json:"q,omitempty"`
	Dp  string `json:"dp,omitempty"`
	Dq  string `json:"dq,omitempty"`
	Qi  string `json:"qi,omitempty"`
}

// LoadKey reads a private JWK from the file at path. A JWK without `alg` gets
// the algorithm of its curve, and RS256 if it is an RSA key. Errors name the
// member at fault and never contain any of the file's content.
func LoadKey(path string) (*Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading the key: %w", err)
	}
	defer file.Close()
	document, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("loading the key: %w", err)
	}
	if len(document) > maxKeyFile {
		return nil, fmt.Errorf("loading the key from %s: larger than %d bytes", path, maxKeyFile)
	}
	key, err := parsePrivateJWK(document)
	if err != nil {
		return nil, fmt.Errorf("loading the key from %s: %w", path, err)
	}
	return key, nil
}

// Save writes the key as a private JWK to path, with mode 0600. The file appears
// whole or not at all; one that was there before is replaced.
func (k *Key) Save(path string) (err error) {
	document, err := k.privateJWK()
	if err != nil {
		return err
	}
	// CreateTemp makes the file with mode 0600, in the same directory so that the
	// rename is atomic.
	file, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return fmt.Errorf("saving the key: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
			err = fmt.Errorf("saving the key: %w", err)
		}
	}()
	if _, err = file.Write(append(document, '\n')); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// privateJWK returns the key as a JSON document, private members included.
func (k *Key) privateJWK() ([]byte, error) {
	jwk := privateJWK{
		Kty: k.public["kty"], Crv: k.public["crv"], Alg: string(k.algorithm),
		X: k.public["x"], Y: k.public["y"], N: k.public["n"], E: k.public["e"],
	}
	switch key := k.signer.(type) {
	case *ecdsa.PrivateKey:
		d, err := key.Bytes()
		if err != nil {
			return nil, fmt.Errorf("encoding the key: %w", err)
		}
		jwk.D = encode(d)
	case ed25519.PrivateKey:
		jwk.D = encode(key.Seed())
	case *rsa.PrivateKey:
		jwk.D = encode(key.D.Bytes())
		jwk.P, jwk.Q = encode(key.Primes[0].Bytes()), encode(key.Primes[1].Bytes())
		jwk.Dp, jwk.Dq = encode(key.Precomputed.Dp.Bytes()), encode(key.Precomputed.Dq.Bytes())
		jwk.Qi = encode(key.Precomputed.Qinv.Bytes())
	}
	return json.MarshalIndent(jwk, "", "  ")
}

// parsePrivateJWK is LoadKey without the file.
func parsePrivateJWK(document []byte) (*Key, error) {
	var jwk privateJWK
	if err := json.Unmarshal(document, &jwk); err != nil {
		// The error's text can quote the document, which is secret.
		return nil, errors.New("not a JSON object with string members")
	}
	signer, alg, err := jwk.signer()
	if err != nil {
		return nil, err
	}
	if jwk.Alg != "" {
		alg = Algorithm(jwk.Alg)
	}
	key, err := newKey(alg, signer)
	if err != nil {
		return nil, fmt.Errorf("member alg: %w", err)
	}
	// A file whose public part belongs to another key would make proofs that
	// verify under a thumbprint that nobody bound a token to.
	for name, value := range map[string]string{"x": jwk.X, "y": jwk.Y, "n": jwk.N, "e": jwk.E} {
		if value != key.public[name] {
			return nil, fmt.Errorf("member %s: does not belong to the private key", name)
		}
	}
	return key, nil
}

// signer rebuilds the private key and names the algorithm it has by default.
func (jwk *privateJWK) signer() (crypto.Signer, Algorithm, error) {
	d, err := decode("d", jwk.D)
	if err != nil {
		return nil, "", err
	}
	switch jwk.Kty {
	case "EC":
		for alg, shape := range curves {
			if shape.name != jwk.Crv {
				continue
			}
			key, err := ecdsa.ParseRawPrivateKey(shape.curve, d)
			if err != nil {
				return nil, "", errors.New("member d: not a private key of the curve")
			}
			return key, alg, nil
		}
		return nil, "", errors.New("member crv: must be P-256, P-384 or P-521")
	case "OKP":
		if jwk.Crv != "Ed25519" {
			return nil, "", errors.New("member crv: must be Ed25519")
		}
		if len(d) != ed25519.SeedSize {
			return nil, "", fmt.Errorf("member d: must have %d bytes", ed25519.SeedSize)
		}
		return ed25519.NewKeyFromSeed(d), EdDSA, nil
	case "RSA":
		key, err := jwk.rsa(d)
		return key, RS256, err
	}
	return nil, "", errors.New("member kty: must be EC, OKP or RSA")
}

// rsa rebuilds an RSA key of two primes; its remaining members are recomputed.
func (jwk *privateJWK) rsa(d []byte) (*rsa.PrivateKey, error) {
	var members [4]*big.Int
	for i, member := range []struct{ name, value string }{{"n", jwk.N}, {"e", jwk.E}, {"p", jwk.P}, {"q", jwk.Q}} {
		b, err := decode(member.name, member.value)
		if err != nil {
			return nil, err
		}
		members[i] = new(big.Int).SetBytes(b)
	}
	if members[1].BitLen() > 31 {
		return nil, errors.New("member e: larger than 31 bits")
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: members[0], E: int(members[1].Int64())},
		D:         new(big.Int).SetBytes(d),
		Primes:    members[2:],
	}
	if err := key.Validate(); err != nil {
		return nil, errors.New("not a valid RSA key")
	}
	key.Precompute()
	return key, nil
}

// decode decodes the base64url member of the given name; it must not be empty.
func decode(name, value string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("member %s: must be unpadded base64url and not empty", name)
	}
	return b, nil
}
