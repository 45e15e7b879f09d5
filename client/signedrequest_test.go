// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestSignedRequestSaysWhatMSALSays(t *testing.T) {
	for _, algorithm := range []Algorithm{PS256, RS256, ES256} {
		t.Run(string(algorithm), func(t *testing.T) {
			key, err := GenerateKey(algorithm)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := key.SignedRequest(SignedRequest{
				Method: "POST", URL: "https://Mail.Example:8443/EWS/a%2Fb?x=1#f", AccessToken: "token",
				Nonce: "n", IssuedAt: time.Unix(1700000000, 5),
			})
			if err != nil {
				t.Fatal(err)
			}
			token, err := jwt.Parse(signed, func(*jwt.Token) (any, error) { return key.signer.Public(), nil }, jwt.WithoutClaimsValidation())
			if err != nil {
				t.Fatal(err)
			}
			if token.Header["typ"] != "pop" || token.Header["kid"] != key.Thumbprint() || token.Header["jwk"] != nil {
				t.Errorf("header %v", token.Header)
			}
			claims := token.Claims.(jwt.MapClaims)
			for name, want := range map[string]any{
				"at": "token", "ts": 1700000000.0, "nonce": "n", "m": "POST", "u": "mail.example:8443", "p": "/EWS/a%2Fb",
			} {
				if claims[name] != want {
					t.Errorf("%s is %v, want %v", name, claims[name], want)
				}
			}
			confirmation, _ := claims["cnf"].(map[string]any)
			jwk, _ := confirmation["jwk"].(map[string]any)
			if jwk["kty"] == nil || jwk["d"] != nil {
				t.Errorf("cnf.jwk %v, want the public key", jwk)
			}
		})
	}
}

func TestSignedRequestDefaults(t *testing.T) {
	key, err := GenerateKey(ES256)
	if err != nil {
		t.Fatal(err)
	}
	nonces := make(map[any]bool)
	for range 2 {
		signed, err := key.SignedRequest(SignedRequest{URL: "https://mail.example"})
		if err != nil {
			t.Fatal(err)
		}
		token, _, err := jwt.NewParser().ParseUnverified(signed, jwt.MapClaims{})
		if err != nil {
			t.Fatal(err)
		}
		claims := token.Claims.(jwt.MapClaims)
		if claims["m"] != "GET" || claims["p"] != "/" {
			t.Errorf("got m %v and p %v, want GET and /", claims["m"], claims["p"])
		}
		nonces[claims["nonce"]] = true
	}
	if len(nonces) != 2 {
		t.Error("a nonce came twice")
	}
}

func TestSignedRequestRefusesURLsAndKeepsQuiet(t *testing.T) {
	key, err := GenerateKey(ES256)
	if err != nil {
		t.Fatal(err)
	}
	_, err = key.SignedRequest(SignedRequest{URL: "/relative?secret"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the URL", err)
	}
}
