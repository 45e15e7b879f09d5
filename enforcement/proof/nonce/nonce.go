// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package nonce issues and checks server nonces (RFC 9449, sections 8 and 9) without remembering any.
//
// A nonce is a [Stamp], the time at which it was issued and the memory that it belongs to, and a message authentication
// code over it. Whoever has the secret can check it, so that all nodes that share the secret accept each other's nonces
// and a restart loses none. A client may use a nonce as often as it likes while it lives; that a proof is used only once
// is for the replay set to see. What a nonce adds is that the proof that carries it cannot be older than the nonce.
//
// The layout before base64url without padding, 32 bytes that make 43 characters:
//
//	version  1 byte, 2
//	time     6 bytes, big-endian milliseconds since 1970
//	key id   1 byte, says which secret was used
//	scope    8 bytes, big-endian, says which memory of spent proofs it was issued for
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
	version = 2

	keyAt   = 7
	scopeAt = 8
	codeAt  = 16
	size    = 32

	// Length is the number of characters of every nonce.
	Length = 43

	// minSecret is the least number of bytes of a secret: 128 bits.
	minSecret = 16

	// skew is how far the clock of the node that issued a nonce may be ahead.
	skew = 15 * time.Second
)

// encoding is strict, but like all of encoding/base64 it skips line breaks: the decoded length must be checked too.
var encoding = base64.RawURLEncoding.Strict()

// Stamp is what a nonce says.
type Stamp struct {
	// Issued is when it was issued, to the millisecond.
	Issued time.Time
	// Scope is the memory of spent proofs that it was issued for.
	Scope uint64
}

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

// Issue returns the nonce of the instant now, to the millisecond, for no memory in particular. It has [Length]
// characters of RFC 9449's NQCHAR, and nobody without the secret can say beforehand which.
func (s *Source) Issue(now time.Time) string { return s.IssueFor(0, now) }

// IssueFor is Issue for the memory that scope names.
func (s *Source) IssueFor(scope uint64, now time.Time) string {
	var raw [size]byte
	binary.BigEndian.PutUint64(raw[:], uint64(now.UnixMilli())<<8) // 48 bits of time from the second byte on
	raw[0] = version
	raw[keyAt] = s.keys[0].id
	binary.BigEndian.PutUint64(raw[scopeAt:], scope)
	code := s.keys[0].code(raw[:codeAt])
	copy(raw[codeAt:], code[:])
	var text [Length]byte
	encoding.Encode(text[:], raw[:])
	return string(text[:])
}

// Check returns what the nonce says. The error is [ErrUnknown], or [ErrStale] together with the stamp if the nonce is
// genuine but older than its life or more than 15 seconds ahead of now.
func (s *Source) Check(nonce string, now time.Time) (Stamp, error) {
	raw, ok := decode(nonce)
	if !ok || raw[0] != version || !s.genuine(&raw) {
		return Stamp{}, ErrUnknown
	}
	stamp := Stamp{
		Issued: time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:]) << 8 >> 16)),
		Scope:  binary.BigEndian.Uint64(raw[scopeAt:]),
	}
	if age := now.Sub(stamp.Issued); age > s.life || age < -skew {
		return stamp, ErrStale
	}
	return stamp, nil
}

// Claimed returns the scope that a nonce claims to have, without looking whether it is genuine; 0 if it is none of ours.
// It is enough to refuse a nonce for its scope, never to accept one.
func Claimed(nonce []byte) (scope uint64) {
	const first, last = scopeAt / 3 * 4, codeAt * 4 / 3 // the characters that hold the scope, whole groups of four
	if len(nonce) != Length {
		return 0
	}
	var part [(last - first + 3) / 4 * 3]byte
	if n, err := encoding.Decode(part[:], nonce[first:first+len(part)/3*4]); err != nil || n != len(part) {
		return 0
	}
	return binary.BigEndian.Uint64(part[scopeAt%3:])
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
