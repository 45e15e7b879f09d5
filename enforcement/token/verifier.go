// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// MaxSize is the longest access token that is looked at, in bytes.
const MaxSize = 8 << 10

// Hash is the SHA-256 of a token as it was presented. It is the cache's key
// and what a DPoP proof's ath commits to (RFC 9449, section 4.2).
type Hash = [sha256.Size]byte

// hashOf reads the token in place: a copy of it for each request would be the only garbage of a token that is remembered.
func hashOf(raw string) Hash { return sha256.Sum256(unsafe.Slice(unsafe.StringData(raw), len(raw))) }

// Verified is a token that passed. All requests with the token share it once
// it is remembered, so it must not be changed. It may be kept: it refers to
// nothing of the request.
type Verified struct {
	// Claims are what the token says.
	Claims Claims
	// Hash identifies the token.
	Hash Hash

	issuer [16]byte
	key    jose.Thumbprint
	until  time.Time // how long an introspection's answer is believed; zero for a JWT
	cached bool
}

// Cache remembers verified tokens.
type Cache = cache.LRU[Hash, *Verified]

// NewCache returns a cache of size tokens, at least one.
func NewCache(size int) (*Cache, error) { return cache.NewLRU[Hash, *Verified](size) }

// Verifier verifies access tokens of a fixed set of issuers.
type Verifier struct {
	issuers   map[string]*Issuer
	prints    map[[16]byte]*Issuer
	opaque    []*Issuer // those that can be asked about opaque tokens
	verified  *Cache
	clockSkew time.Duration
	impatient bool
}

// NewVerifier returns a verifier for the issuers. The cache may outlive it:
// what an issuer with another configuration put in is not believed. Times in
// a token may be off by clockSkew.
func NewVerifier(issuers []*Issuer, verified *Cache, clockSkew time.Duration) (*Verifier, error) {
	v := &Verifier{
		issuers:   make(map[string]*Issuer, len(issuers)),
		prints:    make(map[[16]byte]*Issuer, len(issuers)),
		verified:  verified,
		clockSkew: clockSkew,
	}
	for _, issuer := range issuers {
		if v.issuers[issuer.name] != nil {
			return nil, fmt.Errorf("issuer %q: configured twice", issuer.name)
		}
		v.issuers[issuer.name] = issuer
		v.prints[issuer.fingerprint] = issuer
		if issuer.asks != nil {
			v.opaque = append(v.opaque, issuer)
		}
	}
	return v, nil
}

// WithoutWaiting returns the same verifier, but for one that never waits for
// a key set to be fetched: for where nothing is enforced, and so nothing may
// be delayed.
func (v *Verifier) WithoutWaiting() *Verifier {
	impatient := *v
	impatient.impatient = true
	return &impatient
}

// Verify checks that raw is a genuine access token for the audience
// at the time now. The first failure is returned as a reason, without a token.
func (v *Verifier) Verify(raw string, audience Audience, now time.Time) (*Verified, reason.Reason) {
	if len(raw) > MaxSize {
		return nil, reason.TokenTooLarge
	}
	hash := hashOf(raw)
	token := v.remembered(hash, now)
	if token == nil {
		var why reason.Reason
		if token, why = v.verify(raw, now); why == reason.TokenMalformed {
			token, why = v.introspect(raw, hash, now)
		}
		if why != reason.None {
			return nil, why
		}
		token.Hash = hash
	}
	if why := v.valid(&token.Claims, audience, now); why != reason.None {
		return nil, why
	}
	return token, reason.None
}

// Remember keeps a token that passed together with everything that followed,
// so that what is merely genuine, but not used by its owner, stays out.
func (v *Verifier) Remember(token *Verified) {
	if !token.cached {
		token.cached = true
		v.verified.Add(token.Hash, token)
	}
}

// remembered looks the token up; nil if it must be verified anew. Its issuer
// must still be configured in the same way, and its key still be in the key set.
func (v *Verifier) remembered(hash Hash, now time.Time) *Verified {
	token, ok := v.verified.Get(hash)
	if !ok {
		return nil
	}
	issuer := v.prints[token.issuer]
	switch {
	case issuer == nil,
		token.until.IsZero() && !issuer.keys.Has(token.key, now),
		!token.until.IsZero() && !now.Before(token.until):
		return nil
	}
	return token
}

// introspect asks about what is not a JWT. Of several authorization servers
// the first that knows the token counts; if none does and one could not be
// asked, nothing can be said.
func (v *Verifier) introspect(raw string, hash Hash, now time.Time) (*Verified, reason.Reason) {
	verdict := reason.TokenMalformed // what it is where nobody can be asked
	patience := introspectionTimeout
	if v.impatient {
		patience = shortPatience
	}
	for _, issuer := range v.opaque {
		token, why := issuer.asks.ask(raw, hash, now, patience)
		switch why {
		case reason.TokenInactive:
			if verdict == reason.TokenMalformed {
				verdict = why
			}
		case reason.IntrospectionUnavailable:
			verdict = why
		case reason.None:
			own := *token // the answer is shared by all who asked
			own.issuer = issuer.fingerprint
			return &own, reason.None
		default:
			return nil, why
		}
	}
	return nil, verdict
}

func (v *Verifier) verify(raw string, now time.Time) (*Verified, reason.Reason) {
	compact, err := jose.Split(raw, MaxSize)
	if err != nil {
		return nil, reason.TokenMalformed
	}
	header, err := jose.ParseHeader(compact.Header)
	if err != nil {
		if errors.Is(err, jose.ErrAlgorithm) {
			return nil, reason.TokenAlgorithm
		}
		return nil, reason.TokenMalformed
	}
	payload, err := jose.Decode(compact.Payload)
	if err != nil {
		return nil, reason.TokenMalformed
	}
	signature, err := jose.Decode(compact.Signature)
	if err != nil {
		return nil, reason.TokenMalformed
	}
	issuer, why := v.issuerOf(payload)
	if why != reason.None {
		return nil, why
	}
	if !issuer.acceptsType(header.Type) {
		return nil, reason.TokenType
	}
	if !slices.Contains(issuer.algorithms, header.Algorithm) {
		return nil, reason.TokenAlgorithm
	}
	key, why := v.verifySignature(issuer, header, compact.SigningInput, signature, now)
	if why != reason.None {
		return nil, why
	}
	read, err := readClaims(payload, issuer.places, issuer.groups)
	switch {
	case errors.Is(err, errConfirmation):
		return nil, reason.ConfirmationMalformed
	case err != nil:
		return nil, reason.TokenClaims
	case !read.isAccessToken(header.Type):
		return nil, reason.TokenType
	}
	read.claims.Issuer = issuer.name // the same text, of which one copy is enough
	// The claims are copied: the reader holds the payload, which must not live as long as the cache.
	return &Verified{Claims: read.claims, issuer: issuer.fingerprint, key: key}, reason.None
}

// issuerOf finds the configured issuer by the unverified iss claim. Only that
// issuer's keys are tried: a key of another issuer proves nothing here.
func (v *Verifier) issuerOf(payload []byte) (*Issuer, reason.Reason) {
	var name string
	err := jose.ScanObject(payload, func(member string, value jose.Value) (err error) {
		if member == "iss" {
			name, err = value.Text()
		}
		return err
	})
	if err != nil {
		return nil, reason.TokenMalformed
	}
	if issuer := v.issuers[name]; issuer != nil {
		return issuer, reason.None
	}
	return nil, reason.TokenIssuer
}

// verifySignature tries the key set's candidates for the header.
func (v *Verifier) verifySignature(issuer *Issuer, header jose.Header, input string, signature []byte, now time.Time) (jose.Thumbprint, reason.Reason) {
	candidates, err := issuer.keys.find(header.KeyID, header.Algorithm, now, !v.impatient)
	switch {
	case errors.Is(err, ErrUnavailable):
		return jose.Thumbprint{}, reason.KeySetUnavailable
	case errors.Is(err, jose.ErrAlgorithm):
		return jose.Thumbprint{}, reason.TokenAlgorithm
	case err != nil:
		return jose.Thumbprint{}, reason.TokenKeyUnknown
	}
	for _, key := range candidates {
		if key.Verify(header.Algorithm, input, signature) == nil {
			return key.Thumbprint, reason.None
		}
	}
	return jose.Thumbprint{}, reason.TokenSignature
}

// valid checks what may change while a token is remembered: its times and
// whether this resource is meant (RFC 9068, section 4).
func (v *Verifier) valid(claims *Claims, audience Audience, now time.Time) reason.Reason {
	seconds, skew := now.Unix(), int64(v.clockSkew/time.Second)
	switch {
	case !claims.isFor(audience):
		return reason.TokenAudience
	case seconds-skew >= claims.Expires:
		return reason.TokenExpired
	case claims.NotBefore > seconds+skew:
		return reason.TokenNotYetValid
	}
	return reason.None
}
