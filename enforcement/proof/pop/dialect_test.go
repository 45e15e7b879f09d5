// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func load(t *testing.T, name string, into any) {
	t.Helper()
	document, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, into); err != nil {
		t.Fatal(err)
	}
}

// What MSAL.NET, MSAL.js and the library put together, made by another
// implementation than this one.
func TestAcceptsEveryDialect(t *testing.T) {
	var vectors struct {
		Thumbprint string `json:"pop_key_thumbprint"`
		Request    struct{ Method, URL string }
		Token      string `json:"access_token"`
		Now        int64  `json:"now_unix"`
		Tokens     []struct {
			Style, SHR string
			Headers    map[string]string
		}
	}
	load(t, "generated_shr.json", &vectors)
	thumbprint, err := jose.ParseThumbprint(vectors.Thumbprint)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]reason.Reason{
		"MSAL.NET": reason.None,
		"MSAL.js (header kid = b64url JSON, q=[[],raw])": reason.None,
		"SHR library, all claims":                        reason.None,
		"NEGATIVE key substitution: SHR signed by another key, cnf.jwk = that key, at.cnf.kid = RSA thumbprint": reason.KeyMismatch,
		"NEGATIVE cnf.jwk is the right key but signature by another":                                            reason.ProofAlgorithm,
		"NEGATIVE unbound: Authorization: PoP <at> (bare access token)":                                         reason.ProofMissing,
	}
	if len(vectors.Tokens) != len(want) {
		t.Fatalf("%d vectors, want %d", len(vectors.Tokens), len(want))
	}
	for _, vector := range vectors.Tokens {
		t.Run(vector.Style, func(t *testing.T) {
			expected, known := want[vector.Style]
			if !known {
				t.Fatal("no expectation")
			}
			d := &device{key: &jose.Key{Thumbprint: thumbprint}}
			b := newBench(t)
			r := requestTo(t, d, vectors.Request.URL)
			r.Method = vectors.Request.Method
			for name, value := range vector.Headers {
				r.Header.Set(name, value)
			}
			b.expect(vector.SHR, r, expected)
			if expected != reason.None {
				return
			}
			s, _ := Parse(vector.SHR)
			if s.AccessToken() != vectors.Token {
				t.Error("another access token")
			}
			if _, why := b.Verify(s, r, time.Unix(vectors.Now, 0).Add(301*time.Second)); why != reason.ProofTime {
				t.Errorf("five minutes later: %q", why)
			}
		})
	}
	t.Run("MSAL.js where the query must be covered", func(t *testing.T) {
		d := &device{key: &jose.Key{Thumbprint: thumbprint}}
		r := requestTo(t, d, vectors.Request.URL)
		newBench(t, demanding(Demand{Query: true})).expect(vectors.Tokens[1].SHR, r, reason.ProofQuery)
		newBench(t, demanding(Demand{WholeQuery: true})).expect(vectors.Tokens[1].SHR, r, reason.ProofQuery)
	})
	t.Run("the library where everything must be covered", func(t *testing.T) {
		r := requestTo(t, &device{key: &jose.Key{Thumbprint: thumbprint}}, vectors.Request.URL)
		for name, value := range vectors.Tokens[2].Headers {
			r.Header.Set(name, value)
		}
		b := newBench(t, demanding(Demand{Query: true, WholeQuery: true, Headers: true, Body: true}))
		b.expect(vectors.Tokens[2].SHR, r, reason.None)
	})
}

// The clients of Azure Kubernetes Service and Azure Arc sign with RS256, name
// their key in the header and put the bare host name into u.
func TestAcceptsTheArcDialect(t *testing.T) {
	d := rsaDevice(t, jwt.SigningMethodRS256)
	newBench(t).expect(d.shr(t, map[string]any{"nonce": "nonce-of-its-own"}), request(t, d), reason.None)
}

// msal is the shape that MSAL.js gives to a URL: lower-case, with a slash at
// the end, and q a copy of the query.
func TestMicrosoftModeTakesWhatMSALMakesOfAURL(t *testing.T) {
	d := deviceOf(t, 1)
	shr := d.shr(t, map[string]any{"p": "/owa/calendar%c3%a9/", "q": []any{[]string{}, "a=b"}, "cnf": map[string]any{"jwk": with(map[string]any{
		"ext": true, "key_ops": []string{"verify"}, "alg": "ES256"}, d.jwk)}})
	r := requestTo(t, d, "https://MAIL.contoso.example:443/OWA/Calendar%C3%A9?A=b")
	newBench(t, microsoft).expect(shr, r, reason.None)
	newBench(t).expect(shr, r, reason.ProofURL)
}
