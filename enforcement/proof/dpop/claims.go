// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"errors"
	"unicode/utf8"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// claims are a proof's claims (RFC 9449, section 4.2). The byte slices share
// the payload's memory. Unknown claims are ignored.
type claims struct {
	id, method, url, tokenHash, nonce []byte
	issuedAt, expires, notBefore      int64
	hasIssuedAt                       bool
	hasExpiry, hasNotBefore           bool
}

var errClaims = errors.New("required claim is missing, empty or too long")

// read is RFC 9449, section 4.3, check 3: all required claims are there, with
// their types; ath is required because a token is always presented.
func (c *claims) read(payload []byte) error {
	if err := jose.ScanObject(payload, c.claim); err != nil {
		return err
	}
	if len(c.id) == 0 || utf8.RuneCount(c.id) > MaxID || len(c.method) == 0 || len(c.url) == 0 || len(c.tokenHash) == 0 || !c.hasIssuedAt {
		return errClaims
	}
	return nil
}

func (c *claims) claim(name string, value jose.Value) (err error) {
	switch name {
	case "jti":
		c.id, err = value.Bytes()
	case "htm":
		c.method, err = value.Bytes()
	case "htu":
		c.url, err = value.Bytes()
	case "ath":
		c.tokenHash, err = value.Bytes()
	case "nonce":
		c.nonce, err = value.Bytes()
	case "iat":
		c.hasIssuedAt = true
		c.issuedAt, err = value.Integer()
	case "exp":
		c.hasExpiry = true
		c.expires, err = value.Integer()
	case "nbf":
		c.hasNotBefore = true
		c.notBefore, err = value.Integer()
	}
	return err
}
