// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// TPMs without elliptic curves have RSA keys of 2048 bits. Its key cookie is
// the largest, and must fit into what browsers keep.
func TestRSAKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	sign := func(header, payload object) string {
		header["alg"], header["typ"] = "RS256", "dbsc+jwt"
		input := segment(t, header) + "." + segment(t, payload)
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + encode(signature)
	}
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	jwk := object{"kty": "RSA", "n": encode(key.N.Bytes()), "e": "AQAB"}
	wantCode(t, b.accept(b.send(b.post("register", sign(object{"jwk": jwk}, object{"jti": quoted(b.offer, "challenge=")})))), http.StatusOK)
	if n := len(b.cookies[keyCookie]); n > 1024 {
		t.Fatalf("key cookie of %d characters", n)
	}
	wantCode(t, b.get("/"), http.StatusOK)
	s.wantStatus(Bound)
	wantCode(t, b.send(b.post("refresh", b.proof())), http.StatusForbidden) // ES256 by another key
	if s.served.Reason != reason.ProofAlgorithm {
		t.Fatalf("%+v", s.served)
	}
	wantCode(t, b.send(b.post("refresh", sign(object{}, object{"jti": b.challenge}))), http.StatusOK)
}

// No secret outlives New, so that none can be printed with an engine.
func TestEngineKeepsNoSecret(t *testing.T) {
	if e := newSite(t).nodes[0]; e.Secrets != nil {
		t.Fatal("secrets are kept")
	}
}
