// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// proofWindow is how far, either way, a proof's `iat` may be from now.
const proofWindow = 5 * time.Minute

// proofAlgorithms are those the issuer takes proofs in.
var proofAlgorithms = []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"}

// checkProof checks the DPoP proof of a token request (RFC 9449, section 5) and
// returns the thumbprint of its key. It is what a demo needs and no more: it
// remembers no `jti`, and leaves strictness about JSON to the proxy.
func checkProof(proofs []string, endpoint string, now time.Time) (string, error) {
	if len(proofs) != 1 {
		return "", errors.New("more than one DPoP header")
	}
	var thumbprint string
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods(proofAlgorithms), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(proofs[0], claims, func(token *jwt.Token) (key any, err error) {
		if token.Header["typ"] != "dpop+jwt" {
			return nil, errors.New("typ must be dpop+jwt")
		}
		jwk, _ := token.Header["jwk"].(map[string]any)
		key, thumbprint, err = parseJWK(jwk)
		return key, err
	})
	if err != nil {
		return "", errors.New("proof is not a DPoP proof signed by the key in it")
	}
	iat, ok := claims["iat"].(float64)
	switch {
	case claims["htm"] != "POST" || claims["htu"] != endpoint:
		return "", errors.New("htm and htu must be POST and the token endpoint")
	case !ok || now.Sub(time.Unix(int64(iat), 0)).Abs() > proofWindow:
		return "", fmt.Errorf("iat must be within %s of now", proofWindow)
	case claims["jti"] == nil:
		return "", errors.New("jti is missing")
	}
	return thumbprint, nil
}

// parseJWK returns the public key of a JWK and its RFC 7638 thumbprint.
func parseJWK(jwk map[string]any) (key any, thumbprint string, err error) {
	if jwk["d"] != nil {
		return nil, "", errors.New("jwk is private")
	}
	required := map[string]string{"kty": text(jwk, "kty")}
	take := func(name string) []byte {
		required[name] = text(jwk, name)
		b, _ := base64.RawURLEncoding.Strict().DecodeString(required[name])
		return b
	}
	switch required["kty"] {
	case "EC":
		required["crv"] = text(jwk, "crv")
		curve, known := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[required["crv"]]
		if !known {
			return nil, "", errors.New("crv is not supported")
		}
		key, err = ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, take("x")...), take("y")...))
	case "OKP":
		required["crv"] = text(jwk, "crv")
		x := take("x")
		if required["crv"] != "Ed25519" || len(x) != ed25519.PublicKeySize {
			return nil, "", errors.New("not an Ed25519 key")
		}
		key = ed25519.PublicKey(x)
	case "RSA":
		n, e := new(big.Int).SetBytes(take("n")), new(big.Int).SetBytes(take("e"))
		if n.BitLen() < 2048 || n.BitLen() > 4096 || e.BitLen() > 31 {
			return nil, "", errors.New("not an RSA key of 2048 to 4096 bits")
		}
		key = &rsa.PublicKey{N: n, E: int(e.Int64())}
	default:
		return nil, "", errors.New("kty is not supported")
	}
	if err != nil {
		return nil, "", err
	}
	// RFC 7638, section 3: the required members, sorted, without whitespace, which
	// is how encoding/json writes a map.
	canonical, err := json.Marshal(required)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(canonical)
	return key, encode(sum[:]), nil
}

func text(jwk map[string]any, name string) string {
	s, _ := jwk[name].(string)
	return s
}
