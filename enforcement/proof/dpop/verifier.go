// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// Limits of a proof.
const (
	// MaxSize is the longest proof that is looked at, in bytes.
	MaxSize = 8 << 10
	// MaxID is the longest jti, in characters.
	MaxID = 128
	// maxCachedHeader keeps a device key's cache entry small, whose kid may be long; a 4096 bit RSA key fits.
	maxCachedHeader = 2 << 10
	// typ is the media type of a proof (RFC 9449, section 4.2).
	typ = "dpop+jwt"
)

// Config is what a Verifier is made of.
type Config struct {
	// Algorithms that a proof may be signed with; empty means all that are supported.
	Algorithms []jose.Algorithm
	// MaxAge is how long after its iat a proof is accepted.
	MaxAge time.Duration
	// ClockSkew is how far iat may lie in the future.
	ClockSkew time.Duration
	// RequireNonce asks every proof for a server nonce. Without it only
	// proofs that may have been forgotten owe one.
	RequireNonce bool
	// Nonces issues and recognises server nonces.
	Nonces *nonce.Source
	// Replay is the set of spent proofs; here it is only read.
	Replay proof.Spent
	// Keys caches device keys.
	Keys *KeyCache
}

// Verifier verifies proofs. It is safe for concurrent use.
type Verifier struct {
	Config
}

// Memory is what the verifier knows of spent proofs.
func (v *Verifier) Memory() proof.Memory {
	return proof.Memory{Replay: v.Replay, Nonces: v.Nonces, ClockSkew: v.ClockSkew, RequireNonce: v.RequireNonce}
}

// New checks the configuration.
func New(config Config) (*Verifier, error) {
	if config.MaxAge <= 0 || config.ClockSkew < 0 {
		return nil, fmt.Errorf("proof: max_age %v and clock_skew %v: expected positive durations", config.MaxAge, config.ClockSkew)
	}
	if config.Nonces == nil || config.Replay == nil || config.Keys == nil {
		return nil, errors.New("proof: nonces, replay set and key cache are required")
	}
	if len(config.Algorithms) == 0 {
		config.Algorithms = jose.Algorithms()
	}
	return &Verifier{config}, nil
}

// room is where a proof is decoded. It is reused, because what is passed on
// to a scanner or an algorithm would not stay on the stack. A proof that does
// not fit costs an allocation.
type room struct {
	payload   [1 << 10]byte
	signature [512]byte // RSA with 4096 bits
}

var rooms = sync.Pool{New: func() any { return new(room) }}

// Request is what a proof is held against.
type Request struct {
	// Headers are the values of the DPoP header fields.
	Headers []string
	// Method and URL are the request's own.
	Method string
	URL    target.URL
	// Token is the hash of the access token in the request.
	Token token.Hash
	// Confirmed is the thumbprint in the token's confirmation (cnf.jkt).
	Confirmed *jose.Thumbprint
	// ExcuseNonce accepts a proof without the nonce that it owes, where
	// nothing is enforced and one retry would have cured it.
	ExcuseNonce bool
}

// Verify runs the checks of RFC 9449, section 4.3, on the request. The first
// failure is returned as a reason; the Binding then names the key, if it is
// known to be the confirmed one, for the log.
func (v *Verifier) Verify(r *Request, now time.Time) (proof.Binding, reason.Reason) {
	compact, why := single(r.Headers)
	if why != reason.None {
		return proof.Binding{}, why
	}
	device, known, why := v.deviceKey(compact.Header)
	if why != reason.None {
		return proof.Binding{}, why
	}
	room := rooms.Get().(*room)
	defer rooms.Put(room)
	payload, err := jose.AppendDecode(room.payload[:0], compact.Payload)
	if err != nil {
		return proof.Binding{}, reason.ProofMalformed
	}
	var claims claims
	if claims.read(payload) != nil {
		return proof.Binding{}, reason.ProofMalformed
	}
	if !device.Key.Thumbprint.Equal(*r.Confirmed) { // check 12, second half
		return proof.Binding{}, reason.KeyMismatch
	}
	binding := proof.Binding{Scheme: proof.DPoP, Key: device.Key.Thumbprint, ID: string(claims.id), IssuedAt: time.Unix(claims.issuedAt, 0)}
	if why := v.match(&claims, r, now); why != reason.None {
		return binding, why
	}
	if why = v.Memory().Fresh(&binding, claims.nonce, now); why != reason.None {
		if !r.ExcuseNonce {
			return binding, why
		}
		binding.NonceOwed = true
	}
	if v.Memory().Seen(&binding, now) { // the same verdict as when it is spent, for less
		return binding, reason.ProofReplayed
	}
	if why := verifySignature(device, compact, room); why != reason.None {
		return binding, why
	}
	if !known && len(compact.Header) <= maxCachedHeader {
		v.Keys.add(compact.Header, device)
	}
	return binding, reason.None
}

// single takes the one proof there must be (RFC 9449, section 4.3, check 1).
// A comma, as an intermediary would join two header lines with, is outside
// the alphabet of a JWS.
func single(headers []string) (jose.Compact, reason.Reason) {
	switch {
	case len(headers) == 0:
		return jose.Compact{}, reason.ProofMissing
	case len(headers) > 1:
		return jose.Compact{}, reason.ProofsSeveral
	case len(headers[0]) > MaxSize:
		return jose.Compact{}, reason.ProofTooLarge
	}
	compact, err := jose.Split(headers[0], MaxSize) // check 2
	if err != nil {
		return jose.Compact{}, reason.ProofMalformed
	}
	return compact, reason.None
}

// deviceKey reads the header: type, algorithm and public key (RFC 9449,
// section 4.3, checks 4, 5 and 7). What is cached passed before.
func (v *Verifier) deviceKey(segment string) (device DeviceKey, known bool, why reason.Reason) {
	if device, known = v.Keys.get(segment); known {
		if !slices.Contains(v.Algorithms, device.Algorithm) { // a reload may have narrowed them
			return DeviceKey{}, false, reason.ProofAlgorithm
		}
		return device, true, reason.None
	}
	header, err := jose.ParseHeader(segment)
	switch {
	case errors.Is(err, jose.ErrAlgorithm):
		return DeviceKey{}, false, reason.ProofAlgorithm
	case err != nil:
		return DeviceKey{}, false, reason.ProofMalformed
	case header.Type != typ: // check 4
		return DeviceKey{}, false, reason.ProofType
	case !slices.Contains(v.Algorithms, header.Algorithm): // check 5
		return DeviceKey{}, false, reason.ProofAlgorithm
	case header.Key == nil:
		return DeviceKey{}, false, reason.ProofKey
	}
	key, err := jose.ParseKey(header.Key) // check 7, and that it is a key at all
	if err != nil {
		return DeviceKey{}, false, reason.ProofKey
	}
	if key.Fits(header.Algorithm) != nil {
		return DeviceKey{}, false, reason.ProofAlgorithm
	}
	return DeviceKey{Algorithm: header.Algorithm, Key: key}, false, reason.None
}

// match holds the claims against the request: method, URL, token and time
// (RFC 9449, section 4.3, checks 8, 9, 12 and 11).
func (v *Verifier) match(c *claims, r *Request, now time.Time) reason.Reason {
	if string(c.method) != r.Method {
		return reason.ProofMethod
	}
	if !matches(r.URL, c.url) {
		return reason.ProofURL
	}
	var hash [43]byte
	base64.RawURLEncoding.Encode(hash[:], r.Token[:])
	if subtle.ConstantTimeCompare(hash[:], c.tokenHash) != 1 {
		return reason.ProofTokenHash
	}
	seconds := now.Unix()
	switch {
	case c.issuedAt > seconds+int64(v.ClockSkew/time.Second),
		c.issuedAt < seconds-int64(v.MaxAge/time.Second),
		c.hasExpiry && c.expires <= seconds, // RFC 7519, sections 4.1.4 and 4.1.5
		c.hasNotBefore && c.notBefore > seconds+int64(v.ClockSkew/time.Second):
		return reason.ProofTime
	}
	return reason.None
}

// matches compares in place what most clients send, the URL in its normal
// form, and normalises anything else (RFC 9449, section 4.3, check 9).
func matches(u target.URL, spelling []byte) bool {
	scheme, host := len(u.Scheme), len(u.Host)
	if u.Scheme != "" && len(spelling) == scheme+len("://")+host+len(u.Path) &&
		string(spelling[:scheme]) == u.Scheme && string(spelling[scheme:scheme+3]) == "://" &&
		string(spelling[scheme+3:scheme+3+host]) == u.Host && string(spelling[scheme+3+host:]) == u.Path {
		return true
	}
	return u.Matches(string(spelling))
}

// verifySignature is RFC 9449, section 4.3, check 6.
func verifySignature(device DeviceKey, compact jose.Compact, room *room) reason.Reason {
	signature, err := jose.AppendDecode(room.signature[:0], compact.Signature)
	if err != nil {
		return reason.ProofMalformed
	}
	if device.Key.Verify(device.Algorithm, compact.SigningInput, signature) != nil {
		return reason.ProofSignature
	}
	return reason.None
}
