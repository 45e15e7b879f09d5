// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package nonce issues and checks server nonces (RFC 9449, sections 8 and 9) without remembering any.
//
// A nonce is the time at which it was issued and a message authentication code over it. Whoever has the secret can
// check it, so that all nodes that share the secret accept each other's nonces and a restart loses none. A client may
// use a nonce as often as it likes while it lives; that a proof is used only once is for the replay set to see. What a
// nonce adds is that the proof that carries it cannot be older than the nonce.
//
// The layout before base64url without padding, 24 bytes that make 32 characters:
//
//	version  1 byte, 1
//	time     6 bytes, big-endian milliseconds since 1970
//	key id   1 byte, says which secret was used
//	code     16 bytes, HMAC-SHA-256 over the above, cut off
//
// Secrets rotate in three steps that need no coordination: every node learns the next secret and accepts it, then every
// node issues with it and still accepts the previous one, then the previous one goes.
package nonce

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrUnknown: the nonce is malformed, or was not issued with any of the secrets for this purpose.
	ErrUnknown = errors.New("nonce: not issued here")
	// ErrStale: the nonce was issued here, but too long ago, or by a node whose clock is too far ahead.
	ErrStale = errors.New("nonce: outside its life")
)

const (
	version = 1

	keyAt  = 7
	codeAt = 8
	size   = 24

	// Length is the number of characters of every nonce.
	Length = 32

	// minSecret is the least number of bytes of a secret: 128 bits.
	minSecret = 16

	// skew is how far the clock of the node that issued a nonce may be ahead.
	skew = 15 * time.Second
)

// encoding is strict, but like all of encoding/base64 it skips line breaks: the decoded length must be checked too.
var encoding = base64.RawURLEncoding.Strict()

// Source issues and checks the nonces of one purpose. It is safe for concurrent use.
type Source struct {
	life time.Duration
	keys []*key // the first one issues
}

// New returns a source of nonces that live as long as life says. Sources with different purposes do not accept each
// other's nonces even if they share their secrets: RFC 9449, section 8 keeps those of authorization server and resource
// server apart, and a challenge of another protocol must not pass for a nonce either.
//
// The secret current issues; it and each of also, the previous and the next one, is accepted. New refuses an empty
// purpose, a life that is not above 0, and secrets of less than 16 bytes.
func New(purpose string, life time.Duration, current []byte, also ...[]byte) (*Source, error) {
	if purpose == "" {
		return nil, errors.New("nonce: purpose is empty")
	}
	if life <= 0 {
		return nil, fmt.Errorf("nonce: life is %s, must be above 0", life)
	}
	s := &Source{life: life}
	for i, secret := range append([][]byte{current}, also...) {
		if len(secret) < minSecret {
			return nil, fmt.Errorf("nonce: secret %d of %d has %d bytes, must have at least %d", i+1, len(also)+1, len(secret), minSecret)
		}
		key, err := deriveKey(purpose, secret)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// Issue returns the nonce of the instant now, to the millisecond. It has [Length] characters of RFC 9449's NQCHAR, and
// nobody without the secret can say beforehand which.
func (s *Source) Issue(now time.Time) string {
	var raw [size]byte
	binary.BigEndian.PutUint64(raw[:], uint64(now.UnixMilli())<<8) // 48 bits of time from the second byte on
	raw[0] = version
	raw[keyAt] = s.keys[0].id
	code := s.keys[0].code(raw[:codeAt])
	copy(raw[codeAt:], code[:])
	return encoding.EncodeToString(raw[:])
}

// Check returns when the nonce was issued, to the millisecond. The error is [ErrUnknown], or [ErrStale] together with
// the time if the nonce is genuine but older than its life or more than 15 seconds ahead of now.
func (s *Source) Check(nonce string, now time.Time) (issued time.Time, err error) {
	raw, ok := decode(nonce)
	if !ok || raw[0] != version || !s.genuine(&raw) {
		return time.Time{}, ErrUnknown
	}
	issued = time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:]) << 8 >> 16))
	if age := now.Sub(issued); age > s.life || age < -skew {
		return issued, ErrStale
	}
	return issued, nil
}

// decode accepts exactly the form that Issue returns. The length comes first: what is too long costs nothing.
func decode(nonce string) (raw [size]byte, ok bool) {
	if len(nonce) != Length {
		return raw, false
	}
	var text [Length]byte
	copy(text[:], nonce)
	n, err := encoding.Decode(raw[:], text[:])
	return raw, err == nil && n == size
}

// genuine reports whether the code is that of one of the keys.
func (s *Source) genuine(raw *[size]byte) bool {
	for _, key := range s.keys {
		if key.id != raw[keyAt] {
			continue // different secrets may share an id, so the search goes on after a mismatch, too
		}
		code := key.code(raw[:codeAt])
		if hmac.Equal(code[:], raw[codeAt:]) {
			return true
		}
	}
	return false
}
