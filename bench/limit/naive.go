// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/golang-jwt/jwt/v5"
)

func init() {
	caddy.RegisterModule(new(naive))
	httpcaddyfile.RegisterHandlerDirective("bench_naive", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		handler := new(naive)
		return handler, handler.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder("bench_naive", httpcaddyfile.Before, "basic_auth")
}

// lifetime is how long the handler remembers a proof.
const lifetime = time.Minute

// naive checks DPoP in the straightforward way: it parses and verifies the
// token and the proof of every request into maps, and remembers proofs in a
// map of times. It has no policies, no log and no metrics.
type naive struct {
	// Key is a file with the issuer's public key in PEM.
	Key string `json:"key"`
	// Audience and URL are what tokens and proofs are for.
	Audience string `json:"audience"`
	URL      string `json:"url"`

	issuer  *ecdsa.PublicKey
	mu      sync.Mutex
	seen    map[string]time.Time
	cleaned time.Time
}

// CaddyModule returns the Caddy module information.
func (*naive) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_naive", New: func() caddy.Module { return new(naive) }}
}

// Provision reads the issuer's key.
func (n *naive) Provision(caddy.Context) error {
	n.seen, n.cleaned = make(map[string]time.Time), time.Now()
	document, err := os.ReadFile(n.Key)
	if err != nil {
		return err
	}
	n.issuer, err = jwt.ParseECPublicKeyFromPEM(document)
	return err
}

// ServeHTTP lets a request with a good token and a good proof pass.
func (n *naive) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if err := n.check(r); err != nil {
		return caddyhttp.Error(http.StatusUnauthorized, err)
	}
	return next.ServeHTTP(w, r)
}

func (n *naive) check(r *http.Request) error {
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
	if !ok {
		return errors.New("no token")
	}
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(raw, claims, func(*jwt.Token) (any, error) { return n.issuer, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(n.Audience), jwt.WithExpirationRequired()); err != nil {
		return err
	}
	confirmation, _ := claims["cnf"].(map[string]any)
	proof, thumbprint := jwt.MapClaims{}, ""
	_, err := jwt.ParseWithClaims(r.Header.Get("DPoP"), proof, func(token *jwt.Token) (any, error) {
		var key *ecdsa.PublicKey
		var err error
		key, thumbprint, err = deviceKey(token)
		return key, err
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuedAt())
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(raw))
	issued, err := proof.GetIssuedAt()
	switch {
	case err != nil || issued == nil || time.Since(issued.Time) > lifetime:
		return errors.New("old proof")
	case confirmation["jkt"] != thumbprint:
		return errors.New("another key")
	case proof["ath"] != base64.RawURLEncoding.EncodeToString(hash[:]):
		return errors.New("another token")
	case proof["htm"] != r.Method, proof["htu"] != n.URL+r.URL.Path:
		return errors.New("another request")
	}
	id, _ := proof["jti"].(string)
	return n.spend(id)
}

// deviceKey reads the key in the proof's header.
func deviceKey(token *jwt.Token) (*ecdsa.PublicKey, string, error) {
	jwk, _ := token.Header["jwk"].(map[string]any)
	if token.Header["typ"] != "dpop+jwt" || jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
		return nil, "", errors.New("not a proof with a P-256 key")
	}
	point := []byte{4}
	for _, name := range []string{"x", "y"} {
		text, _ := jwk[name].(string)
		coordinate, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return nil, "", err
		}
		point = append(point, coordinate...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, "", err
	}
	// encoding/json sorts the members, as RFC 7638 wants.
	document, err := json.Marshal(map[string]any{"crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"], "y": jwk["y"]})
	sum := sha256.Sum256(document)
	return key, base64.RawURLEncoding.EncodeToString(sum[:]), err
}

// spend remembers the proof's id, and forgets old ones once per lifetime.
func (n *naive) spend(id string) error {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.cleaned) > lifetime {
		for id, at := range n.seen {
			if now.Sub(at) > lifetime {
				delete(n.seen, id)
			}
		}
		n.cleaned = now
	}
	if _, spent := n.seen[id]; spent || id == "" {
		return errors.New("replayed")
	}
	n.seen[id] = now
	return nil
}

// UnmarshalCaddyfile reads `bench_naive <key file> <audience> <url>`.
func (n *naive) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&n.Key, &n.Audience, &n.URL) {
		return d.ArgErr()
	}
	return nil
}
