// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// keyCases are proofs whose jwk is no public key, or one that proves nothing.
var keyCases = map[string]play{
	"DPOP-068": {reason: "proof_key", send: func(s *stage) []harness.Response { return s.eachHeader(harness.Object{"jwk": nil}) }},
	"DPOP-069": {reason: "proof_malformed", send: func(s *stage) []harness.Response {
		var proofs []string
		for _, jwk := range []any{"", 1, true, null{}, "foo", []int{}} {
			proofs = append(proofs, s.withHeader(harness.Object{"jwk": jwk}))
		}
		return s.each(proofs...)
	}},
	"DPOP-070": {reason: "proof_key", send: func(s *stage) []harness.Response {
		return s.eachHeader(harness.Object{"jwk": s.K1.PrivateJWK()})
	}},
	"DPOP-071": {reason: "proof_key", send: func(s *stage) []harness.Response {
		okp := harness.NewKey("EdDSA")
		s.passes(s.get(s.as(okp, nil)))
		return append(
			s.eachHeader(
				harness.Object{"jwk": harness.With(s.K1.JWK(), harness.Object{"d": ""})},
				harness.Object{"jwk": harness.With(s.K1.JWK(), harness.Object{"k": "AAAA"})},
			),
			s.get(s.as(s.R1, harness.Object{"jwk": harness.With(s.R1.JWK(), harness.Object{"dp": "AQAB"})})),
			s.get(s.as(s.R1, harness.Object{"jwk": harness.With(s.R1.JWK(), harness.Object{"oth": []int{}})})),
			s.get(s.as(okp, harness.Object{"jwk": okp.PrivateJWK()})),
		)
	}},
	"DPOP-073": {reason: "proof_key", send: func(s *stage) []harness.Response {
		return s.eachHeader(
			harness.Object{"jwk": harness.Object{"kty": "oops"}},
			harness.Object{"jwk": harness.With(s.K1.JWK(), harness.Object{"kty": "ec"})},
			harness.Object{"jwk": harness.With(s.K1.JWK(), harness.Object{"crv": "P-256 "})},
			harness.Object{"jwk": harness.With(s.K1.JWK(), harness.Object{"crv": "secp256k1"})},
		)
	}},
	"DPOP-077": {reason: "proof_key", send: func(s *stage) []harness.Response {
		private, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			s.Fatal(err)
		}
		return one(s.get(s.as(harness.Key{Algorithm: "RS256", Private: private}, nil)))
	}},
	"DPOP-078": {
		reason: "proof_key, proof_too_large",
		send: func(s *stage) []harness.Response {
			return s.eachHeader(
				harness.Object{"alg": "RS256", "jwk": rsaOf(8192)},
				harness.Object{"alg": "RS256", "jwk": rsaOf(72000)},
			)
		},
		must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
			unitTest(s, "enforcement/jose TestRSASizeIsCheckedBeforeDecoding")
		}},
	},
	"DPOP-082": {reason: "proof_key", send: playRemoteKeys, must: []func(*stage, harness.Response){seenWhileSending}},
}

// null is JSON's null, where nil would remove the member.
type null struct{}

// MarshalJSON implements json.Marshaler.
func (null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// rsaOf is an RSA key of a size for which making a real one takes too long.
func rsaOf(bits int) harness.Object {
	modulus := make([]byte, bits/8)
	_, _ = rand.Read(modulus) // never returns an error
	modulus[0] |= 0x80
	modulus[len(modulus)-1] |= 1
	return harness.Object{"kty": "RSA", "n": harness.B64(modulus), "e": "AQAB"}
}

// playRemoteKeys points at keys elsewhere, which the server must not fetch:
// nobody connects to the listener.
func playRemoteKeys(s *stage) []harness.Response {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	var connections atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = connection.Close()
		}
	}()
	url := "http://" + listener.Addr().String() + "/keys"
	var responses []harness.Response
	for _, remote := range []harness.Object{{"jku": url}, {"x5u": url}, {"x5c": []string{"MIIB"}}} {
		responses = append(responses, s.each(s.withHeader(withoutKey(remote)))...)
		// A key in the header that is not the confirmed one is an invalid token, says contract.md, even
		// before the signature is looked at.
		other := s.get(harness.Credentials(s.AT1, s.withHeader(harness.With(remote, harness.Object{"jwk": s.K2.JWK()}))))
		if other.Status != http.StatusUnauthorized || other.Error != "invalid_token" || len(other.Arrivals()) > 0 {
			s.Errorf("with another key: %d %q", other.Status, other.Error)
		}
	}
	_ = listener.Close()
	<-done
	if n := connections.Load(); n > 0 {
		s.Errorf("the server opened %d connections to where the header points", n)
	}
	return responses
}

// withoutKey adds the removal of jwk to changes of a header.
func withoutKey(changes harness.Object) harness.Object {
	all := harness.Object{"jwk": nil}
	for name, value := range changes {
		all[name] = value
	}
	return all
}
