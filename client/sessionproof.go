// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// SessionProof says what a proof of a device-bound session is to prove (W3C,
// Device Bound Session Credentials, section "DBSC Proof JWTs").
type SessionProof struct {
	// Challenge is what the server gave to be signed, `jti`.
	Challenge string
	// Registration says that the key is new to the server: it goes along.
	Registration bool
	// Authorization is `authorization`, if the offer of registration had one.
	Authorization string
}

// SessionProof signs p with the key, whose algorithm must be one that the
// server offered, and returns the value of the Secure-Session-Response field.
func (k *Key) SessionProof(p SessionProof) (string, error) {
	claims := jwt.MapClaims{"jti": p.Challenge}
	if p.Authorization != "" {
		claims["authorization"] = p.Authorization
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(string(k.algorithm)), claims)
	token.Header["typ"] = "dbsc+jwt"
	if p.Registration {
		token.Header["jwk"] = json.RawMessage(k.PublicJWK())
	}
	signed, err := token.SignedString(k.signer)
	if err != nil {
		return "", fmt.Errorf("signing with the %s key: %w", k.algorithm, err)
	}
	return signed, nil
}
