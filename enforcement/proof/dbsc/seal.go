// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

const (
	// minSecret is the least number of bytes of a secret: 128 bits.
	minSecret = 16
	// maxSealed is the longest sealed value that is looked at, in characters:
	// what browsers keep of a cookie.
	maxSealed = 4096
	// nonceSize and tagSize are those of AES-GCM.
	nonceSize, tagSize = 12, 16
)

// sealer encrypts and authenticates the values of one purpose with
// AES-256-GCM. Each purpose has keys of its own, so that a value of one can
// never pass for another's. Nonces are random: a secret is good for 2^32
// values a purpose (NIST SP 800-38D, section 8.3).
type sealer struct {
	purpose string
	aeads   []cipher.AEAD // the first one seals
}

func newSealer(purpose string, secrets [][]byte) (*sealer, error) {
	s := &sealer{purpose: purpose}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "token-protection dbsc v1 "+purpose, 32)
		if err != nil {
			return nil, fmt.Errorf("derive a key: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("make a cipher: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("make a cipher: %w", err)
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

// seal returns the sealed value in unpadded base64url. It can be opened for
// the same origin only.
func (s *sealer) seal(plain []byte, origin string) string {
	return base64.RawURLEncoding.EncodeToString(s.aeads[0].Seal(nil, nil, plain, s.context(origin)))
}

// open returns what was sealed for this purpose and origin, with any of the
// secrets. There is one accepted spelling of a sealed value.
func (s *sealer) open(text, origin string) (plain []byte, ok bool) {
	if len(text) > maxSealed || len(text) < base64.RawURLEncoding.EncodedLen(nonceSize+tagSize) {
		return nil, false
	}
	sealed, err := jose.Decode(text)
	if err != nil {
		return nil, false
	}
	context := s.context(origin)
	for _, aead := range s.aeads {
		if plain, err = aead.Open(nil, nil, sealed, context); err == nil {
			return plain, true
		}
	}
	return nil, false
}

// context is the additional authenticated data.
func (s *sealer) context(origin string) []byte {
	context := make([]byte, 0, len(s.purpose)+1+len(origin))
	context = append(append(context, s.purpose...), 0)
	return append(context, origin...)
}
