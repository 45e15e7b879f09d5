// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package nonce

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
)

// key computes the codes of one secret for one purpose.
type key struct {
	id   byte
	macs sync.Pool // of *mac
}

// mac is an HMAC and room for its result, kept together so that a check allocates neither.
type mac struct {
	hash.Hash
	message [codeAt]byte
	sum     [sha256.Size]byte
}

// deriveKey separates the purposes (RFC 5869): codes of one say nothing about those of another.
func deriveKey(purpose string, secret []byte) (*key, error) {
	material, err := hkdf.Key(sha256.New, secret, nil, "token-protection/"+purpose+"/v1", sha256.Size+1)
	if err != nil {
		return nil, fmt.Errorf("nonce: deriving the key: %w", err)
	}
	k := &key{id: material[sha256.Size]}
	k.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, material[:sha256.Size])} }
	return k, nil
}

// code returns the message authentication code of a nonce's first bytes.
func (k *key) code(message []byte) (code [size - codeAt]byte) {
	m := k.macs.Get().(*mac)
	m.Reset()
	copy(m.message[:], message)
	m.Write(m.message[:])
	m.Sum(m.sum[:0])
	copy(code[:], m.sum[:])
	k.macs.Put(m)
	return code
}
