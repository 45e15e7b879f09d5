// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"unsafe"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(limit))
	httpcaddyfile.RegisterHandlerDirective("bench_limit", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		handler := new(limit)
		return handler, handler.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder("bench_limit", httpcaddyfile.Before, "basic_auth")
}

// limit verifies one signature and hashes the token.
type limit struct {
	// Algorithm is ES256, EdDSA, RS256, or none where the proof is that of the
	// TLS connection.
	Algorithm string `json:"algorithm,omitempty"`

	verify     func(digest, signature []byte) bool
	signatures []signed
	next       atomic.Uint32
}

// signed is a digest and its signature.
type signed struct{ digest, signature []byte }

// signatures that take turns, so that the processor's branch predictor does
// not learn a single one by heart.
const signatures = 256

// CaddyModule returns the Caddy module information.
func (*limit) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_limit", New: func() caddy.Module { return new(limit) }}
}

// Provision makes the key and what it signed.
func (l *limit) Provision(caddy.Context) error {
	sign, verify, err := scheme(l.Algorithm)
	if err != nil {
		return err
	}
	l.verify = verify
	for range signatures {
		digest := make([]byte, sha256.Size)
		_, _ = rand.Read(digest) // crypto/rand.Read never returns an error
		signature, err := sign(digest)
		if err != nil {
			return err
		}
		l.signatures = append(l.signatures, signed{digest, signature})
	}
	return nil
}

// scheme returns a new key's two halves.
func scheme(algorithm string) (sign func([]byte) ([]byte, error), verify func(digest, signature []byte) bool, err error) {
	switch algorithm {
	case "", "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		return func(digest []byte) ([]byte, error) { return ecdsa.SignASN1(rand.Reader, key, digest) },
			func(digest, signature []byte) bool { return ecdsa.VerifyASN1(&key.PublicKey, digest, signature) }, nil
	case "EdDSA":
		public, private, err := ed25519.GenerateKey(rand.Reader)
		return func(digest []byte) ([]byte, error) { return ed25519.Sign(private, digest), nil },
			func(digest, signature []byte) bool { return ed25519.Verify(public, digest, signature) }, err
	case "none":
		return func([]byte) ([]byte, error) { return nil, nil }, func(_, _ []byte) bool { return true }, nil
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, nil, err
		}
		return func(digest []byte) ([]byte, error) { return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest) },
			func(digest, signature []byte) bool {
				return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest, signature) == nil
			}, nil
	}
	return nil, nil, fmt.Errorf("algorithm %q is not known; expected ES256, EdDSA, RS256 or none", algorithm)
}

// ServeHTTP does the work, and lets every request with a token pass.
func (l *limit) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	token := r.Header.Get("Authorization")
	hash := sha256.Sum256(unsafe.Slice(unsafe.StringData(token), len(token))) // without a copy, which is not part of the limit
	signed := &l.signatures[l.next.Add(1)%signatures]
	if hash == [sha256.Size]byte{} || !l.verify(signed.digest, signed.signature) {
		return caddyhttp.Error(http.StatusInternalServerError, errors.New("the benchmark's own signature does not verify"))
	}
	return next.ServeHTTP(w, r)
}

// UnmarshalCaddyfile reads `bench_limit [<algorithm>]`.
func (l *limit) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		l.Algorithm = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}
