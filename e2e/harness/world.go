// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// World is everything around a server. The names are those of the corpus:
// alice's device keys K1 and R1, mallory's K2, K3 that nobody knows; AT1 and
// AT2 are bound to K1, ATR to R1, ATM to K2, and ATb to nothing.
type World struct {
	Issuer         *Issuer
	Backend        *Backend
	K1, R1, K2, K3 Key

	AT1, AT2, ATR, ATM, ATb string
}

// r1 serves in every world, as making an RSA key takes long.
var r1 = sync.OnceValue(func() Key { return NewKey("PS256") })

// NewWorld starts an issuer and a backend that end with the test.
func NewWorld(t testing.TB) *World {
	w := &World{
		Issuer: NewIssuer(t), Backend: NewBackend(t),
		K1: NewKey("ES256"), R1: r1(), K2: NewKey("ES256"), K3: NewKey("ES256"),
	}
	w.AT1, w.AT2 = w.Issuer.Mint(BoundTo(w.K1)), w.Issuer.Mint(BoundTo(w.K1))
	w.ATR, w.ATM = w.Issuer.Mint(BoundTo(w.R1)), w.Issuer.Mint(With(BoundTo(w.K2), Object{"sub": "mallory-id", "upn": "mallory@contoso.example"}))
	w.ATb = w.Issuer.Mint(nil)
	return w
}

// Proof is a DPoP proof to be made. What is not said otherwise is right.
type Proof struct {
	Key    Key
	Token  string // whose hash is `ath`
	Method string // empty means GET
	Path   string // of the site; the query is left out of `htu`
	Nonce  string // empty means no claim
	// Header and Claims change or, with nil, remove members.
	Header, Claims Object
}

// Parts returns the header and the claims of the proof.
func (p Proof) Parts() (header, claims Object) {
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	path, _, _ := strings.Cut(p.Path, "?")
	hash := sha256.Sum256([]byte(p.Token))
	header = Object{"typ": "dpop+jwt", "alg": p.Key.Algorithm, "jwk": p.Key.JWK()}
	claims = Object{"jti": rand.Text(), "htm": p.Method, "htu": Origin + path, "iat": time.Now().Unix(), "ath": B64(hash[:])}
	if p.Nonce != "" {
		claims["nonce"] = p.Nonce
	}
	return With(header, p.Header), With(claims, p.Claims)
}

// Sign makes the proof.
func (p Proof) Sign() string {
	header, claims := p.Parts()
	return p.Key.Sign(header, claims)
}

// Credentials are header fields with a token under DPoP and its proofs.
func Credentials(token string, proofs ...string) http.Header {
	header := http.Header{"Authorization": {"DPoP " + token}}
	if len(proofs) > 0 {
		header["Dpop"] = proofs
	}
	return header
}

// Bound is a request as alice's device makes it: AT1 and a proof by K1.
func (w *World) Bound(method, path, nonce string) Request {
	proof := Proof{Key: w.K1, Token: w.AT1, Method: method, Path: path, Nonce: nonce}.Sign()
	return Request{Method: method, Path: path, Header: Credentials(w.AT1, proof)}
}

// Nonce returns a nonce that the server takes, for as long as it asks for
// any; else the last one, or none. It asks with an old proof first, which owes
// a nonce longest, of a key that nothing else uses.
func (s *Server) Nonce(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	nonce, fetched := s.nonce, s.fetched
	s.mu.Unlock()
	if time.Since(fetched) < 90*time.Second { // of its 120
		return nonce
	}
	key := NewKey("ES256")
	token := s.World.Issuer.Mint(BoundTo(key))
	for _, age := range []int64{50, 0} {
		proof := Proof{Key: key, Token: token, Path: "/nonce", Claims: Object{"iat": time.Now().Unix() - age}}.Sign()
		response := s.Do(t, HTTP1, Request{Path: "/nonce", Header: Credentials(token, proof)})
		if response.Error == "use_dpop_nonce" {
			nonce = response.Header.Get("DPoP-Nonce")
			break
		}
	}
	s.mu.Lock()
	s.nonce, s.fetched = nonce, time.Now()
	s.mu.Unlock()
	return nonce
}
