// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"net/http"
	"reflect"
	"testing"
)

// publicKey turns the `jwk` of a proof's header into a key.
func publicKey(t testing.TB, jwk map[string]any) any {
	t.Helper()
	bytes := func(name string) []byte {
		b, err := base64.RawURLEncoding.Strict().DecodeString(jwk[name].(string))
		if err != nil {
			t.Fatalf("jwk member %s: %v", name, err)
		}
		return b
	}
	switch jwk["kty"] {
	case "EC":
		curve := map[any]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[jwk["crv"]]
		key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, bytes("x")...), bytes("y")...))
		if err != nil {
			t.Fatal(err)
		}
		return key
	case "OKP":
		return ed25519.PublicKey(bytes("x"))
	default:
		e := new(big.Int).SetBytes(bytes("e"))
		return &rsa.PublicKey{N: new(big.Int).SetBytes(bytes("n")), E: int(e.Int64())}
	}
}

func TestChallengesOfOneAndOfSeveralLines(t *testing.T) {
	none := map[string]string{}
	for _, test := range []struct {
		name  string
		lines []string
		want  []Challenge
	}{
		{"none", nil, nil},
		{"bare schemes", []string{"DPoP", "Bearer, PoP"}, []Challenge{{"DPoP", none}, {"Bearer", none}, {"PoP", none}}},
		{"parameters", []string{`DPoP error="use_dpop_nonce", algs="ES256 PS256"`},
			[]Challenge{{"DPoP", map[string]string{"error": "use_dpop_nonce", "algs": "ES256 PS256"}}}},
		{"two in one line", []string{`Bearer realm="a, DPoP error=\"x\"", dpop ERROR = use_dpop_nonce`},
			[]Challenge{{"Bearer", map[string]string{"realm": `a, DPoP error="x"`}}, {"dpop", map[string]string{"error": "use_dpop_nonce"}}}},
		{"token68", []string{`Negotiate a/b+c==, DPoP error="e"`},
			[]Challenge{{"Negotiate", none}, {"DPoP", map[string]string{"error": "e"}}}},
		{"open quote", []string{`DPoP algs="ES256", error="use_dpop_nonce`}, []Challenge{{"DPoP", map[string]string{"algs": "ES256"}}}},
		{"escape at the end", []string{`DPoP error="\`}, []Challenge{{"DPoP", none}}},
		{"garbage", []string{`"error"`, `=`, `,,`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Challenges(http.Header{"Www-Authenticate": test.lines})
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func FuzzChallengesTerminateAndNameTheirScheme(f *testing.F) {
	for _, seed := range []string{`DPoP error="a", algs="b"`, `Bearer, Negotiate YQ==`, `a=b`, `a b c d`, `"`, `\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, challenge := range Challenges(http.Header{"Www-Authenticate": {line}}) {
			if challenge.Scheme == "" {
				t.Errorf("challenge without a scheme in %q", line)
			}
		}
	})
}
