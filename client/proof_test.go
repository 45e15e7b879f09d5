// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// verify checks a proof's signature with the key in its header and returns its
// header and claims. It shares no key handling with the code under test.
func verify(t testing.TB, proof string) (header, claims map[string]any) {
	t.Helper()
	payload := jwt.MapClaims{}
	token, err := jwt.NewParser(jwt.WithoutClaimsValidation()).ParseWithClaims(proof, payload, func(token *jwt.Token) (any, error) {
		return publicKey(t, token.Header["jwk"].(map[string]any)), nil
	})
	if err != nil {
		t.Fatalf("proof does not verify: %v", err)
	}
	return token.Header, payload
}

func TestProofHasExactlyTheMembersOfRFC9449(t *testing.T) {
	issued := time.Date(2026, 3, 1, 12, 0, 0, 987654321, time.UTC)
	for _, alg := range allAlgorithms {
		t.Run(string(alg), func(t *testing.T) {
			key := generate(t, alg)
			proof, err := key.Proof(Proof{
				Method: "POST", URL: "https://mail.example/EWS/Exchange.asmx?a=b", AccessToken: "token", Nonce: "n-1",
				IssuedAt: issued, ID: "id-1",
			})
			if err != nil {
				t.Fatal(err)
			}
			header, claims := verify(t, proof)
			if got := slices.Sorted(maps.Keys(header)); !slices.Equal(got, []string{"alg", "jwk", "typ"}) {
				t.Errorf("header members %v", got)
			}
			if header["typ"] != "dpop+jwt" || header["alg"] != string(alg) {
				t.Errorf("typ %v and alg %v, want dpop+jwt and %s", header["typ"], header["alg"], alg)
			}
			if jwk, _ := json.Marshal(header["jwk"]); string(jwk) != string(key.PublicJWK()) {
				t.Errorf("jwk %s, want %s", jwk, key.PublicJWK())
			}
			hash := sha256.Sum256([]byte("token"))
			want := map[string]any{
				"jti": "id-1", "htm": "POST", "htu": "https://mail.example/EWS/Exchange.asmx", "nonce": "n-1",
				"iat": float64(issued.Unix()), "ath": base64.RawURLEncoding.EncodeToString(hash[:]),
			}
			if !maps.Equal(claims, want) {
				t.Errorf("claims %v, want %v", claims, want)
			}
		})
	}
}

func TestProofLeavesOutWhatItHasNot(t *testing.T) {
	before := time.Now().Unix()
	proof, err := generate(t, ES256).Proof(Proof{URL: "https://as.example/token"})
	if err != nil {
		t.Fatal(err)
	}
	_, claims := verify(t, proof)
	if got := slices.Sorted(maps.Keys(claims)); !slices.Equal(got, []string{"htm", "htu", "iat", "jti"}) {
		t.Errorf("claims %v, want no ath and no nonce", got)
	}
	if claims["htm"] != "GET" {
		t.Errorf("htm %v, want GET", claims["htm"])
	}
	if iat := int64(claims["iat"].(float64)); iat < before || iat > time.Now().Unix() {
		t.Errorf("iat %d is not now", iat)
	}
}

func TestProofIDsAre128RandomBits(t *testing.T) {
	key, seen := generate(t, EdDSA), map[string]bool{}
	for range 100 {
		proof, err := key.Proof(Proof{URL: "https://mail.example/"})
		if err != nil {
			t.Fatal(err)
		}
		_, claims := verify(t, proof)
		id := claims["jti"].(string)
		if b, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(b) != 16 {
			t.Fatalf("jti %q, want 16 bytes in base64url", id)
		}
		if seen[id] {
			t.Fatalf("jti %q twice", id)
		}
		seen[id] = true
	}
}

// The example of RFC 9449, section 7.1: the hash of its access token.
func TestAthIsThatOfTheStandard(t *testing.T) {
	proof, err := generate(t, ES256).Proof(Proof{
		URL:         "https://resource.example.org/protectedresource",
		AccessToken: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, claims := verify(t, proof); claims["ath"] != "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" {
		t.Errorf("ath %v", claims["ath"])
	}
}

func TestHtuIsTheTargetURIWithoutQueryAndFragment(t *testing.T) {
	for raw, want := range map[string]string{
		"https://mail.example":                 "https://mail.example/",
		"https://mail.example?x=1":             "https://mail.example/",
		"https://mail.example/#f":              "https://mail.example/",
		"https://mail.example:8443/a/?q=/b#c?": "https://mail.example:8443/a/",
		"http://mail.example/%7Ea%2Fb/../c":    "http://mail.example/%7Ea%2Fb/../c",
		"https://mail.example/a#b?c":           "https://mail.example/a",
	} {
		if got, err := targetURI(raw); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", raw, got, err, want)
		}
	}
}

func TestRefusesProofsForOtherThanHTTPURLs(t *testing.T) {
	key := generate(t, ES256)
	for _, raw := range []string{"", "/path", "mail.example/secret", "ftp://mail.example/secret", "https:///secret",
		"https://user:secret@mail.example/", "https://mail.example/%zzsecret", "https://mail.example/\nsecret"} {
		_, err := key.Proof(Proof{URL: raw})
		if err == nil {
			t.Errorf("%q accepted", raw)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error shows the URL: %v", raw, err)
		}
	}
}
