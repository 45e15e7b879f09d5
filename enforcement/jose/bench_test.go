// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// The proof that the measurements are made with: the header of RFC 9449, section 4.1, and a payload of 300 octets.
const (
	benchHeader = `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",` +
		`"y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}}`
	benchPayload = `{"jti":"-BwC3ESc6acc2lTc-BwC3ESc6acc2lTc","htm":"POST","htu":"https://mail.contoso.example/owa/service.svc/` +
		`mailboxes/alice/messages","iat":1562265296,"ath":"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",` +
		`"nonce":"eyJ7S_zG.eyJH0-Z.HX4w-7v0eyJ7S_zG.eyJH0-Z.HX4w-7v0","x":"12345678901234567890"}`
)

// claims is how a verifier would take a proof's claims.
type claims struct {
	id, method, uri, hash, nonce []byte
	issued                       int64
}

func (c *claims) set(name string, value Value) (err error) {
	switch name {
	case "jti":
		c.id, err = value.Bytes()
	case "htm":
		c.method, err = value.Bytes()
	case "htu":
		c.uri, err = value.Bytes()
	case "ath":
		c.hash, err = value.Bytes()
	case "nonce":
		c.nonce, err = value.Bytes()
	case "iat":
		c.issued, err = value.Integer()
	}
	return err
}

// measured holds the operations of the hot path with the allocations that each may cost.
var measured = []struct {
	name        string
	allocations float64
	prepare     func(testing.TB) func() error
}{
	{"ScanObject", 0, func(testing.TB) func() error {
		payload := []byte(benchPayload)
		return func() error {
			var c claims
			return ScanObject(payload, func(name string, value Value) error { return c.set(name, value) })
		}
	}},
	{"ParseHeader", 1, func(testing.TB) func() error {
		segment := encoding.EncodeToString([]byte(benchHeader))
		return func() error {
			_, err := ParseHeader(segment)
			return err
		}
	}},
	{"Split", 0, func(testing.TB) func() error {
		token := encoding.EncodeToString([]byte(benchHeader)) + "." + encoding.EncodeToString([]byte(benchPayload)) + ".c2ln"
		return func() error {
			_, err := Split(token, 8<<10)
			return err
		}
	}},
	{"AppendDecode", 0, func(testing.TB) func() error {
		segment := encoding.EncodeToString([]byte(benchPayload))
		buffer := make([]byte, 0, 1024)
		return func() error {
			_, err := AppendDecode(buffer, segment)
			return err
		}
	}},
	{"Strings", 4, func(testing.TB) func() error {
		groups := Value{Kind: Array, Raw: []byte(`["pilot","break-glass","everybody"]`)}
		return func() error {
			_, err := groups.Strings()
			return err
		}
	}},
	{"ParseThumbprint", 0, func(testing.TB) func() error {
		return func() error {
			_, err := ParseThumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
			return err
		}
	}},
	{"VerifyES256", 12, func(t testing.TB) func() error {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		input := encoding.EncodeToString([]byte(benchHeader)) + "." + encoding.EncodeToString([]byte(benchPayload))
		signature, err := jwt.SigningMethodES256.Sign(input, private)
		if err != nil {
			t.Fatal(err)
		}
		key := &Key{Public: &private.PublicKey}
		return func() error { return key.Verify(ES256, input, signature) }
	}},
}

func BenchmarkHotPath(b *testing.B) {
	for _, m := range measured {
		b.Run(m.name, func(b *testing.B) {
			run := m.prepare(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseKey(b *testing.B) {
	for _, sample := range sampleKeys(b) {
		b.Run(sample.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseKey(sample.jwk); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The standard library's verification alone: what VerifyES256 above cannot go below.
func BenchmarkVerifyASN1(b *testing.B) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	signature, err := ecdsa.SignASN1(rand.Reader, private, digest)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !ecdsa.VerifyASN1(&private.PublicKey, digest, signature) {
			b.Fatal("signature does not verify")
		}
	}
}
