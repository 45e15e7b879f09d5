// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// FuzzVerify: nothing panics, both cache states agree, and what is accepted
// golang-jwt accepts too, with the key in the proof's own header. The input is
// a proof as it stands, or, where a payload is given, a header and a payload
// that the device signs.
func FuzzVerify(f *testing.F) {
	d := deviceOf(f, 1)
	header, claims := marshal(f, d.header()), marshal(f, d.claims())
	f.Add([]byte(d.sign(f, header, claims)), []byte(nil))
	f.Add(header, claims)
	f.Add([]byte(`{"typ":"DPOP+JWT","alg":"ES256","jwk":`+string(marshal(f, d.jwk))+`,"kid":"x"}`), claims)
	f.Add([]byte(`{"typ":"dpop+jwt","alg":"none","jwk":`+string(marshal(f, d.jwk))+`}`), claims)
	f.Add(header, []byte(`{"jti":"\u0061","htm":"GET","htu":"https://mail.contoso.example/api/./me","iat":1700000000,"ath":"x"}`))
	f.Add([]byte("..."), []byte(nil))
	f.Add([]byte("e30.e30.e30"), []byte(nil))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		proof := string(first)
		if second != nil {
			proof = d.sign(t, first, second)
		}
		b := newRig(t)
		binding, why := b.judge(request(t, d, proof))
		if why != reason.None {
			return
		}
		if binding.Key != d.key.Thumbprint || binding.ID == "" || len(proof) > MaxSize {
			t.Errorf("accepted as %+v", binding)
		}
		if err := golangJWT(proof); err != nil {
			t.Errorf("accepted, but golang-jwt says: %v", err)
		}
	})
}

// golangJWT verifies an ES256 proof with the key in its header, the way that
// the library's own documentation shows.
func golangJWT(proof string) error {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	_, err := parser.Parse(proof, func(token *jwt.Token) (any, error) {
		text, err := json.Marshal(token.Header["jwk"])
		if err != nil {
			return nil, err
		}
		var jwk struct{ X, Y string }
		if err := json.Unmarshal(text, &jwk); err != nil {
			return nil, err
		}
		x, err := base64.RawURLEncoding.DecodeString(jwk.X)
		if err != nil {
			return nil, err
		}
		y, err := base64.RawURLEncoding.DecodeString(jwk.Y)
		if err != nil {
			return nil, err
		}
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	})
	return err
}

// A bound verdict implies a verified signature: no proof with a byte changed
// is accepted, wherever the byte is.
func TestNoByteOfAProofCanBeChanged(t *testing.T) {
	d := deviceOf(t, 1)
	b := newRig(t)
	good := d.proof(t, nil)
	b.expect(request(t, d, good), reason.None)
	for i := range good {
		for _, replacement := range []byte("A_.") {
			if good[i] == replacement {
				continue
			}
			changed := good[:i] + string(replacement) + good[i+1:]
			if _, why := b.judge(request(t, d, changed)); why == reason.None {
				t.Errorf("accepted with byte %d changed to %q", i, replacement)
			}
		}
	}
}
