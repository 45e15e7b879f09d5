// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package proof holds what the proof schemes have in common. A scheme's
// verifier looks at one request and at the key that the token confirms, and
// returns a [Binding]: the request proved possession of that key. Which
// scheme is owed is the issuer's choice, made in the token's confirmation,
// never the client's.
package proof

import (
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// Scheme is a way to prove possession of a key. The words are those of the
// configuration, the sign-in record and the metrics.
type Scheme string

// The schemes.
const (
	// DPoP is a proof JWT in the DPoP header (RFC 9449).
	DPoP Scheme = "dpop"
	// MTLS is the client certificate of the TLS connection (RFC 8705).
	MTLS Scheme = "mtls"
	// PoP is a signed HTTP request as MSAL issues it.
	PoP Scheme = "pop"
	// DBSC is a device-bound session cookie.
	DBSC Scheme = "dbsc"
)

// Binding is a verified proof: the request was made by the holder of Key.
type Binding struct {
	// Scheme is how possession was proved; empty where it was not.
	Scheme Scheme
	// Key is the RFC 7638 thumbprint of the device key.
	Key jose.Thumbprint
	// ID is the proof's jti. Together with Key it is what must not come twice.
	ID string
	// IssuedAt is the proof's own time, by the device's clock.
	IssuedAt time.Time
	// NonceIssued is when this server issued the proof's nonce, and NonceScope
	// the memory that it was issued for, where one was owed; zero else.
	NonceIssued time.Time
	NonceScope  uint64
	// NonceOwed says that the proof should have carried a server nonce, and
	// that this was excused because nothing is enforced on the request.
	NonceOwed bool

	name cache.Identity // of Key and ID, once it was needed
}
