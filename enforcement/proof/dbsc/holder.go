// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// holder is a session's device key, or, from the sign-in on until the browser
// registers, the place for it. It repeats what a grant has to know of the
// session, for requests to our endpoints that come without the link.
type holder struct {
	session  sessionID
	expires  time.Time
	life     time.Duration
	sameSite sameSite
	adopted  bool
	key      *jose.Key // nil until registered
}

// holderSize is what a holder has without its key.
const holderSize = len(sessionID{}) + timeSize + lifeSize + 1

// algorithm is the one that fits the key: of those that a browser may be
// offered there is one for each type.
func (h *holder) algorithm() jose.Algorithm {
	if _, ok := h.key.Public.(*rsa.PublicKey); ok {
		return jose.RS256
	}
	return jose.ES256
}

func (h *holder) encode() ([]byte, error) {
	b := appendLife(appendTime(append(make([]byte, 0, holderSize), h.session[:]...), h.expires), h.life)
	traits := link{sameSite: h.sameSite, adopted: h.adopted}
	b = append(b, traits.flags())
	if h.key == nil {
		return b, nil
	}
	der, err := x509.MarshalPKIXPublicKey(h.key.Public)
	if err != nil {
		return nil, err
	}
	return append(append(b, h.key.Thumbprint[:]...), der...), nil
}

// decodeHolder trusts the key's fitness: what was sealed had passed.
func decodeHolder(b []byte) (h holder, ok bool) {
	if len(b) < holderSize {
		return holder{}, false
	}
	b = b[copy(h.session[:], b):]
	h.expires, b = readTime(b), b[timeSize:]
	h.life, b = readLife(b), b[lifeSize:]
	var traits link
	traits.setFlags(b[0])
	h.sameSite, h.adopted = traits.sameSite, traits.adopted
	if b = b[1:]; len(b) == 0 {
		return h, true
	}
	h.key = new(jose.Key)
	b = b[copy(h.key.Thumbprint[:], b):]
	public, err := x509.ParsePKIXPublicKey(b)
	if err != nil {
		return holder{}, false
	}
	h.key.Public = public
	return h, true
}

// challenge is what a browser has to sign: for which session, since when, and
// under which scope of the memory.
type challenge struct {
	session sessionID
	issued  time.Time
	scope   uint64
}

const challengeSize = len(sessionID{}) + timeSize + scopeSize

const scopeSize = 8

func (c *challenge) encode() []byte {
	b := append(make([]byte, 0, challengeSize), c.session[:]...)
	return binary.BigEndian.AppendUint64(appendTime(b, c.issued), c.scope)
}

func decodeChallenge(b []byte) (c challenge, ok bool) {
	if len(b) != challengeSize {
		return challenge{}, false
	}
	rest := b[len(c.session):]
	return challenge{session: sessionID(b), issued: readTime(rest), scope: binary.BigEndian.Uint64(rest[timeSize:])}, true
}
