// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Limits of a signed request.
const (
	// MaxSize is the longest signed request that is looked at, in bytes. It
	// carries the access token in base64url once more.
	MaxSize = 24 << 10
	// MaxID is the longest jti or nonce that names a signed request, in characters.
	MaxID = 128
	// typ is the media type of a signed request (the draft, section 6.2).
	typ = "pop"
)

// SignedRequest is a credential of the scheme PoP, taken apart. Nothing in it
// is believed before [Verifier.Verify].
type SignedRequest struct {
	compact jose.Compact
	claims  claims
}

// Parse takes a credential of the scheme PoP apart: a compact JWS of at most
// [MaxSize] bytes whose payload is one strict JSON object with an access token
// in it. Its reasons are [reason.ProofTooLarge], [reason.ProofMalformed], and
// [reason.ProofMissing] for a JWS that is no signed request at all, most
// likely the bare access token.
func Parse(credential string) (*SignedRequest, reason.Reason) {
	if len(credential) > MaxSize {
		return nil, reason.ProofTooLarge
	}
	compact, err := jose.Split(credential, MaxSize)
	if err != nil {
		return nil, reason.ProofMalformed
	}
	payload, err := jose.Decode(compact.Payload)
	if err != nil {
		return nil, reason.ProofMalformed
	}
	s := &SignedRequest{compact: compact}
	if s.claims.read(payload) != nil {
		return nil, reason.ProofMalformed
	}
	if s.claims.token == "" {
		return nil, s.without()
	}
	return s, reason.None
}

// AccessToken is the access token that the signed request carries (the draft,
// section 3: at), verbatim. It is secret, and the only one that counts.
func (s *SignedRequest) AccessToken() string { return s.claims.token }

// without tells a signed request that lost its token from a token that was
// sent without a signed request around it.
func (s *SignedRequest) without() reason.Reason {
	header, err := jose.ParseHeader(s.compact.Header)
	if err == nil && header.Type != typ {
		return reason.ProofMissing
	}
	return reason.ProofMalformed
}
