// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// Defaults of a Config.
const (
	DefaultMaxAge    = 300 * time.Second
	DefaultClockSkew = 15 * time.Second
	DefaultMaxBody   = 10 << 20
	DefaultMaxHeld   = 256 << 20
)

// Config is what a Verifier is made of.
type Config struct {
	// Algorithms that a request may be signed with; empty means all that are supported.
	Algorithms []jose.Algorithm
	// MaxAge is how long after its ts a signed request is accepted; 0 means [DefaultMaxAge].
	MaxAge time.Duration
	// ClockSkew is how far ts may lie in the future.
	ClockSkew time.Duration
	// RequireNonce asks every signed request for a server nonce. Without it
	// only those that may have been forgotten owe one.
	RequireNonce bool
	// Nonces issues and recognises server nonces.
	Nonces *nonce.Source
	// Replay is the set of spent requests; here it is only read. It has to
	// remember them for [proof.Lifetime].
	Replay proof.Spent
	// Microsoft compares as Microsoft's library does: m without white space
	// around it and without regard to case, p without slashes around it and
	// without regard to case.
	Microsoft bool
	// Demand says which parts of the request must be covered.
	Demand Demand
	// MaxBody is how many octets of a body that b covers are held back to be
	// verified; 0 means [DefaultMaxBody].
	MaxBody int64
	// MaxHeld is how many octets of all such bodies are held back at any one
	// time; 0 means [DefaultMaxHeld].
	MaxHeld int64
}

// Demand says what a signed request must cover beyond method, host and path.
// What it covers without being asked is verified, too.
type Demand struct {
	// Query wants q to be present, and to be more than MSAL.js's copy of the query.
	Query bool
	// WholeQuery lets no parameter pass that q does not cover, nor one that it
	// cannot cover. A request without a query needs no q for it.
	WholeQuery bool
	// Headers wants h to be present.
	Headers bool
	// Body wants b to be present.
	Body bool
}

// Verifier verifies signed requests. It is safe for concurrent use.
type Verifier struct {
	Config
	room *room
}

// Memory is what the verifier knows of spent requests. A nonce that the client
// made up is none, and to the client as good as one that is stale.
func (v *Verifier) Memory() proof.Memory {
	return proof.Memory{Replay: v.Replay, Nonces: v.Nonces, ClockSkew: v.ClockSkew, RequireNonce: v.RequireNonce}
}

// New checks the configuration.
func New(config Config) (*Verifier, error) {
	if config.MaxAge == 0 {
		config.MaxAge = DefaultMaxAge
	}
	if config.MaxBody == 0 {
		config.MaxBody = DefaultMaxBody
	}
	if config.MaxHeld == 0 {
		config.MaxHeld = DefaultMaxHeld
	}
	if config.MaxAge < 0 || config.ClockSkew < 0 {
		return nil, fmt.Errorf("signed requests: max_age %v and clock_skew %v: expected positive durations", config.MaxAge, config.ClockSkew)
	}
	if config.MaxBody < 0 || config.MaxHeld < config.MaxBody {
		return nil, fmt.Errorf("signed requests: body limits of %d octets each and %d for all: expected a positive number, and one that is no smaller", config.MaxBody, config.MaxHeld)
	}
	if config.Nonces == nil || config.Replay == nil {
		return nil, errors.New("signed requests: nonces and replay set are required")
	}
	if len(config.Algorithms) == 0 {
		config.Algorithms = jose.Algorithms()
	}
	v := &Verifier{Config: config, room: new(room)}
	v.room.left.Store(config.MaxHeld)
	return v, nil
}

// Request is what a signed request is held against.
type Request struct {
	// Context ends with the request: a body that was held back is then let go.
	Context context.Context
	// Method and URL are the request's own.
	Method string
	URL    target.URL
	// RawQuery is the query as it was sent, without the question mark.
	RawQuery string
	// Header are the header fields, with canonical names.
	Header http.Header
	// Body is the body's place in the request, nil if there is none. It is
	// read only where b covers it and everything else was found right. What
	// then stands in its place reads like the body that stood there before.
	Body *io.ReadCloser
	// ContentLength is the body's length if it is known, else -1.
	ContentLength int64
	// Confirmed is the thumbprint in the token's confirmation (cnf.kid or cnf.jwk).
	Confirmed *jose.Thumbprint
	// ExcuseNonce accepts a signed request without the server nonce that it
	// owes, where nothing is enforced and one retry would have cured it.
	ExcuseNonce bool
}

// Verify holds the signed request against the request (the draft, section
// 4.2). The first failure is returned as a reason; the Binding then names the
// key, if it is known to be the confirmed one, for the log. The access token
// must have been verified before.
func (v *Verifier) Verify(s *SignedRequest, r *Request, now time.Time) (proof.Binding, reason.Reason) {
	algorithm, why := v.header(s.compact.Header)
	if why != reason.None {
		return proof.Binding{}, why
	}
	c := &s.claims
	if !c.complete() {
		return proof.Binding{}, reason.ProofMalformed
	}
	key, why := c.key(algorithm)
	if why != reason.None {
		return proof.Binding{}, why
	}
	if r.Confirmed == nil || !key.Thumbprint.Equal(*r.Confirmed) {
		return proof.Binding{}, reason.KeyMismatch
	}
	id, named := c.identity()
	binding := proof.Binding{Scheme: proof.PoP, Key: key.Thumbprint, ID: id, IssuedAt: time.Unix(c.created, 0)}
	if why = v.match(c, r, now); why != reason.None {
		return binding, why
	}
	if why = v.Memory().Fresh(&binding, c.nonce, now); why != reason.None {
		if !r.ExcuseNonce {
			return binding, why
		}
		binding.NonceOwed = true
	}
	if !named { // it could be sent again and again
		return binding, reason.ProofMalformed
	}
	if v.Memory().Seen(&binding, now) { // the same verdict as when it is spent, for less
		return binding, reason.ProofReplayed
	}
	if why = verifySignature(key, algorithm, s.compact); why != reason.None {
		return binding, why
	}
	if c.hasBody {
		return binding, v.matchBody(c, r)
	}
	return binding, reason.None
}

// header reads type and algorithm (the draft, sections 3 and 6.2). What the
// dialects put into kid does not matter: the token says which key it is.
func (v *Verifier) header(segment string) (jose.Algorithm, reason.Reason) {
	header, err := jose.ParseHeader(segment)
	switch {
	case errors.Is(err, jose.ErrAlgorithm):
		return "", reason.ProofAlgorithm
	case err != nil:
		return "", reason.ProofMalformed
	case header.Type != typ:
		return "", reason.ProofType
	case !slices.Contains(v.Algorithms, header.Algorithm):
		return "", reason.ProofAlgorithm
	}
	return header.Algorithm, reason.None
}

// key reads the key in the signed request's own cnf. It is only a copy of
// what the token's confirmation names, so there is no sense in another name
// (kid) here, nor in one that has to be fetched or decrypted; and of jwk, jwe
// and jku there is at most one (RFC 7800, section 3.1).
func (c *claims) key(algorithm jose.Algorithm) (*jose.Key, reason.Reason) {
	if c.confirmation.Kind != jose.Object {
		return nil, reason.ProofKey
	}
	var jwk []byte
	err := jose.ScanObject(c.confirmation.Raw, func(name string, member jose.Value) error {
		switch name {
		case "jwk":
			jwk = member.Raw
		case "jwe", "jku":
			return errKeyElsewhere
		}
		return nil
	})
	if err != nil {
		return nil, reason.ProofKey
	}
	key, err := jose.ParseKey(jwk)
	if err != nil {
		return nil, reason.ProofKey
	}
	if key.Fits(algorithm) != nil {
		return nil, reason.ProofAlgorithm
	}
	return key, reason.None
}

var errKeyElsewhere = errors.New("cnf: expected no other key than jwk")

func verifySignature(key *jose.Key, algorithm jose.Algorithm, compact jose.Compact) reason.Reason {
	var buffer [512]byte
	signature, err := jose.AppendDecode(buffer[:0], compact.Signature)
	if err != nil {
		return reason.ProofMalformed
	}
	if key.Verify(algorithm, compact.SigningInput, signature) != nil {
		return reason.ProofSignature
	}
	return reason.None
}
