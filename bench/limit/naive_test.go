// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
)

const site = "https://mail.contoso.example"

func TestNaiveIsAFairBaseline(t *testing.T) {
	issuer := ephemeral(t)
	public, err := x509.MarshalPKIXPublicKey(&issuer.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	handler := &naive{Key: filepath.Join(t.TempDir(), "issuer.pem"), Audience: site, URL: site}
	if err := os.WriteFile(handler.Key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := handler.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	device, thief := newKey(t), newKey(t)
	token := mint(t, issuer, device, time.Hour)
	good := client.Proof{URL: site + "/owa/", AccessToken: token}
	with := func(change func(*client.Proof)) client.Proof {
		p := good
		change(&p)
		return p
	}
	for _, test := range []struct {
		name  string
		key   *client.Key
		proof client.Proof
		token string
		pass  bool
	}{
		{"good", device, with(func(p *client.Proof) { p.ID = "once" }), token, true},
		{"replayed", device, with(func(p *client.Proof) { p.ID = "once" }), token, false},
		{"another key", thief, good, token, false},
		{"another URL", device, with(func(p *client.Proof) { p.URL = site + "/ews/" }), token, false},
		{"another method", device, with(func(p *client.Proof) { p.Method = http.MethodPost }), token, false},
		{"another token", device, with(func(p *client.Proof) { p.AccessToken = "another" }), token, false},
		{"an old proof", device, with(func(p *client.Proof) { p.IssuedAt = time.Now().Add(-time.Hour) }), token, false},
		{"an old token", device, good, mint(t, issuer, device, -time.Hour), false},
		{"a token of another issuer", device, good, mint(t, ephemeral(t), device, time.Hour), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			proof, err := test.key.Proof(test.proof)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodGet, site+"/owa/", nil)
			r.Header.Set("Authorization", "DPoP "+test.token)
			r.Header.Set("DPoP", proof)
			if passed, err := passes(t, handler, r); passed != test.pass {
				t.Errorf("passed %v, %v", passed, err)
			}
		})
	}
}

func newKey(t *testing.T) *client.Key {
	t.Helper()
	key, err := client.GenerateKey(client.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ephemeral(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mint(t *testing.T, issuer *ecdsa.PrivateKey, device *client.Key, life time.Duration) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"aud": site, "exp": time.Now().Add(life).Unix(), "cnf": map[string]string{"jkt": device.Thumbprint()},
	}).SignedString(issuer)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
