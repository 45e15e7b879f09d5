// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"errors"
	"unicode/utf8"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// claims are those of the draft, section 3, and those that the clients add:
// nonce, jti, cnf, exp and nbf. The byte slices share the payload's
// memory. Unknown claims are ignored.
type claims struct {
	token                               string // at
	method, host, path                  []byte // m, u, p
	id, nonce, body                     []byte // jti, nonce, b
	query, headers                      coverage
	confirmation                        jose.Value // cnf
	created, expires, notBefore         int64
	hasCreated, hasExpiry, hasNotBefore bool
	hasBody                             bool
}

var errCoverage = errors.New("expected a list of names and a hash")

// read takes the claims with their types. Which of them are missing is for
// the verifier to say, so that a missing claim is laid to the token's user.
func (c *claims) read(payload []byte) error { return jose.ScanObject(payload, c.claim) }

func (c *claims) claim(name string, value jose.Value) (err error) {
	switch name {
	case "at":
		c.token, err = value.Text()
	case "m":
		c.method, err = value.Bytes()
	case "u":
		c.host, err = value.Bytes()
	case "p":
		c.path, err = value.Bytes()
	case "ts":
		c.hasCreated = true
		c.created, err = value.Integer()
	case "q":
		err = c.query.read(value)
	case "h":
		err = c.headers.read(value)
	case "b":
		c.hasBody = true
		c.body, err = value.Bytes()
	case "jti":
		c.id, err = value.Bytes()
	case "nonce":
		c.nonce, err = value.Bytes()
	case "cnf":
		c.confirmation = value
	case "exp":
		c.hasExpiry = true
		c.expires, err = value.Integer()
	case "nbf":
		c.hasNotBefore = true
		c.notBefore, err = value.Integer()
	}
	return err
}

// complete reports whether the claims that tie a signed request to a request
// are all there. The draft makes them optional; without them it would be a
// bearer token for as long as it lives.
func (c *claims) complete() bool {
	return c.hasCreated && len(c.method) > 0 && len(c.host) > 0 && len(c.path) > 0
}

// identity is what names the signed request among those of its key: jti, else
// the nonce, be it the client's own or the server's. A server nonce without a
// jti beside it is therefore good for one request of each key. No identity,
// or one that is too long, is false.
func (c *claims) identity() (string, bool) {
	id := c.id
	if len(id) == 0 {
		id = c.nonce
	}
	return string(id), len(id) > 0 && utf8.RuneCount(id) <= MaxID
}
