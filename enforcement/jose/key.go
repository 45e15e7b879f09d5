// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto"
	"fmt"
	"slices"
)

// maxKeySize is how many octets of JSON a JWK may have: room for a certificate chain in x5c, which is ignored.
const maxKeySize = 64 << 10

// Key is a public key that ParseKey found fit for use.
type Key struct {
	Public     crypto.PublicKey // *ecdsa.PublicKey, ed25519.PublicKey or *rsa.PublicKey
	Thumbprint Thumbprint       // RFC 7638, SHA-256
	ID         string           // kid; empty if absent
	Algorithm  Algorithm        // alg; empty if absent, and then any algorithm that fits the type of the key
}

// ParseKey reads a JWK that must be a public key for signatures: EC on P-256, P-384 or P-521, OKP on Ed25519, or RSA of 2048
// to 4096 bits. Its required members are in their one canonical form, so that a key has one thumbprint. alg, use and key_ops
// are honoured when present. A private or symmetric member is refused even if empty: who sent it either gave a secret
// away or hopes for another reading. Other members are ignored. Errors wrap ErrKey, ErrAlgorithm (an alg that is unsupported
// or does not fit), or what ScanObject found.
func ParseKey(jwk []byte) (*Key, error) {
	if len(jwk) > maxKeySize {
		return nil, fmt.Errorf("%w: %d octets, expected at most %d", ErrKey, len(jwk), maxKeySize)
	}
	var m members
	if err := ScanObject(jwk, func(name string, value Value) error { return m.set(name, value) }); err != nil {
		return nil, fmt.Errorf("JWK: %w", err)
	}
	if m.forUse && m.use != "sig" {
		return nil, fmt.Errorf("%w: use is not sig", ErrKey)
	}
	key, err := m.public()
	if err != nil {
		return nil, err
	}
	key.ID = m.kid
	if m.forAlg {
		if key.Algorithm, err = ParseAlgorithm(m.alg); err != nil {
			return nil, fmt.Errorf("JWK: %w", err)
		}
		if !key.Algorithm.suits(key.Public) {
			return nil, fmt.Errorf("JWK: %w: alg does not fit the type of the key", ErrAlgorithm)
		}
	}
	return key, nil
}

// members are a JWK's members as far as they matter. Their strings are parts of the JWK, except kid.
type members struct {
	kty, crv, x, y, n, e string
	alg, use, kid        string
	forAlg, forUse       bool // the member is present
}

// set takes one member. RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2.
func (m *members) set(name string, value Value) error {
	switch name {
	case "kty":
		return read(&m.kty, "kty", value)
	case "crv":
		return read(&m.crv, "crv", value)
	case "x":
		return read(&m.x, "x", value)
	case "y":
		return read(&m.y, "y", value)
	case "n":
		return read(&m.n, "n", value)
	case "e":
		return read(&m.e, "e", value)
	case "alg":
		m.forAlg = true
		return read(&m.alg, "alg", value)
	case "use":
		m.forUse = true
		return read(&m.use, "use", value)
	case "kid":
		return m.keyID(value)
	case "key_ops":
		return keyOps(value)
	case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
		return fmt.Errorf("%w: private or symmetric member %s", ErrKey, name)
	}
	return nil
}

// read takes a member that must be a string.
func read(into *string, name string, value Value) error {
	text, err := value.Bytes()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrKey, name, err)
	}
	*into = alias(text)
	return nil
}

// keyID takes kid, as a copy because the key outlives the document. RFC 7517, section 4.5.
func (m *members) keyID(value Value) error {
	text, err := value.Text()
	if err != nil {
		return fmt.Errorf("%w: kid: %w", ErrKey, err)
	}
	if len(text) > maxKeyID {
		return fmt.Errorf("%w: kid has %d octets, expected at most %d", ErrKey, len(text), maxKeyID)
	}
	m.kid = text
	return nil
}

// keyOps checks that the key's operations have verify among them, and none twice. RFC 7517, section 4.3.
func keyOps(value Value) error {
	operations, err := value.Strings()
	if err != nil {
		return fmt.Errorf("%w: key_ops: %w", ErrKey, err)
	}
	if !slices.Contains(operations, "verify") {
		return fmt.Errorf("%w: key_ops does not contain verify", ErrKey)
	}
	slices.Sort(operations)
	if len(slices.Compact(operations)) != len(operations) {
		return fmt.Errorf("%w: key_ops has a value twice", ErrKey)
	}
	return nil
}

// public makes the key of the type that kty names.
func (m *members) public() (*Key, error) {
	switch m.kty {
	case "EC":
		return m.elliptic()
	case "OKP":
		return m.edwards()
	case "RSA":
		return m.rsa()
	case "":
		return nil, fmt.Errorf("%w: kty is missing", ErrKey)
	}
	return nil, fmt.Errorf("%w: kty is not EC, OKP or RSA", ErrKey)
}
