// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"errors"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// Confirmation is the cnf claim (RFC 7800): the keys whose possession the
// presenter of the token must prove. Every key that is named is owed.
type Confirmation struct {
	// Present says that the token has a confirmation. Without one the token is unbound.
	Present bool
	// JKT is the thumbprint of the key that signs DPoP proofs (RFC 9449, section 6.1); nil if none is owed.
	JKT *jose.Thumbprint
	// X5T is the SHA-256 of the client certificate (RFC 8705, section 3.1); nil if none is owed.
	X5T *[32]byte
	// SignedRequest is the thumbprint of the key that signs HTTP requests,
	// from kid or jwk; nil if none is owed.
	SignedRequest *jose.Thumbprint
	// Hardware says that the issuer calls the key hardware-backed (xms_ksl = uhw).
	Hardware bool
}

var (
	errConfirmationShape  = errors.New("cnf: expected a JSON object that names a key")
	errConfirmationMember = errors.New("cnf: member that cannot be enforced")
)

// parseConfirmation reads cnf. RFC 7800, section 3.1, lets a recipient ignore
// members that it does not understand; one that enforces must not end up
// with nothing to enforce, so a confirmation without a known key is an error,
// as are symmetric keys (jwe), keys to be fetched (jku) and Token Binding (tbh).
func parseConfirmation(value jose.Value) (Confirmation, error) {
	if value.Kind != jose.Object {
		return Confirmation{}, errConfirmationShape
	}
	c := Confirmation{Present: true}
	var kid, jwk *jose.Thumbprint
	err := jose.ScanObject(value.Raw, func(name string, member jose.Value) error {
		var err error
		switch name {
		case "jkt":
			c.JKT, err = thumbprintMember(member)
		case "kid":
			kid, err = thumbprintMember(member)
		case "x5t#S256":
			var digest *jose.Thumbprint
			if digest, err = thumbprintMember(member); err == nil {
				c.X5T = (*[32]byte)(digest)
			}
		case "jwk":
			var key *jose.Key
			if key, err = jose.ParseKey(member.Raw); err == nil {
				jwk = &key.Thumbprint
			}
		case "xms_ksl":
			var storage string
			storage, err = member.Text()
			c.Hardware = storage == "uhw"
		case "jwe", "jku", "tbh":
			err = errConfirmationMember
		}
		return err
	})
	if err != nil {
		return Confirmation{}, err
	}
	if kid != nil && jwk != nil && *kid != *jwk {
		return Confirmation{}, errConfirmationMember
	}
	if c.SignedRequest = kid; jwk != nil {
		c.SignedRequest = jwk
	}
	if c.JKT == nil && c.X5T == nil && c.SignedRequest == nil {
		return Confirmation{}, errConfirmationShape
	}
	return c, nil
}

func thumbprintMember(value jose.Value) (*jose.Thumbprint, error) {
	text, err := value.Text()
	if err != nil {
		return nil, err
	}
	thumbprint, err := jose.ParseThumbprint(text)
	if err != nil {
		return nil, err
	}
	return &thumbprint, nil
}
