// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
)

// with returns the sample's JWK with members changed; a nil value removes a member.
func with(t testing.TB, jwk []byte, changes map[string]any) []byte {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(jwk, &all); err != nil {
		t.Fatal(err)
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	changed, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// sampleOf returns the sample of that name.
func sampleOf(t testing.TB, name string) sample {
	t.Helper()
	for _, sample := range sampleKeys(t) {
		if sample.name == name {
			return sample
		}
	}
	t.Fatalf("no sample %s", name)
	return sample{}
}

func TestParseKeyReadsThePublicKey(t *testing.T) {
	for _, sample := range sampleKeys(t) {
		for _, alg := range sample.algorithms {
			jwk := with(t, sample.jwk, map[string]any{
				"kid": "k1", "alg": alg, "use": "sig", "key_ops": []string{"verify"}, "ext": true, "x5c": 1, "x5t": nil, "iat": 5,
			})
			key, err := ParseKey(jwk)
			if err != nil {
				t.Fatalf("%s: %v", sample.name, err)
			}
			if !sample.private.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public) {
				t.Errorf("%s: another key", sample.name)
			}
			if key.ID != "k1" || key.Algorithm != alg {
				t.Errorf("%s: kid %q, alg %q", sample.name, key.ID, key.Algorithm)
			}
		}
	}
}

func TestPrivateOrSymmetricMemberIsRefusedByItsPresence(t *testing.T) {
	for _, sample := range sampleKeys(t) {
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			for _, value := range []string{`""`, `"AQAB"`, `null`, `false`, `[]`, `0`} {
				jwk := fmt.Sprintf(`{%q:%s,%s`, name, value, sample.jwk[1:])
				if _, err := ParseKey([]byte(jwk)); !errors.Is(err, ErrKey) {
					t.Errorf("%s with %s %s: %v", sample.name, name, value, err)
				}
			}
		}
		// The escaped name is the same name.
		if _, err := ParseKey([]byte(`{"\u0064":"",` + string(sample.jwk[1:]))); !errors.Is(err, ErrKey) {
			t.Errorf("%s with an escaped d: %v", sample.name, err)
		}
	}
}

func TestUseAlgorithmAndOperationsAreHonoured(t *testing.T) {
	for _, test := range []struct {
		name    string
		changes map[string]any
		want    error
	}{
		{"use enc", map[string]any{"use": "enc"}, ErrKey},
		{"use empty", map[string]any{"use": ""}, ErrKey},
		{"use SIG", map[string]any{"use": "SIG"}, ErrKey},
		{"use array", map[string]any{"use": []string{"sig"}}, ErrKey},
		{"key_ops without verify", map[string]any{"key_ops": []string{"sign"}}, ErrKey},
		{"key_ops empty", map[string]any{"key_ops": []string{}}, ErrKey},
		{"key_ops string", map[string]any{"key_ops": "verify"}, ErrKey},
		{"key_ops of numbers", map[string]any{"key_ops": []int{1}}, ErrKey},
		{"key_ops with a value twice", map[string]any{"key_ops": []string{"verify", "sign", "verify"}}, ErrKey},
		{"alg of another curve", map[string]any{"alg": "ES384"}, ErrAlgorithm},
		{"alg of another type", map[string]any{"alg": "RS256"}, ErrAlgorithm},
		{"alg symmetric", map[string]any{"alg": "HS256"}, ErrAlgorithm},
		{"alg for encryption", map[string]any{"alg": "ECDH-ES"}, ErrAlgorithm},
		{"alg none", map[string]any{"alg": "none"}, ErrAlgorithm},
		{"alg empty", map[string]any{"alg": ""}, ErrAlgorithm},
		{"alg in lower case", map[string]any{"alg": "es256"}, ErrAlgorithm},
		{"alg array", map[string]any{"alg": []string{"ES256"}}, ErrKey},
		{"kid number", map[string]any{"kid": 1}, ErrKey},
		{"kid too long", map[string]any{"kid": strings.Repeat("k", 1025)}, ErrKey},
		{"kty missing", map[string]any{"kty": nil}, ErrKey},
		{"kty oct", map[string]any{"kty": "oct"}, ErrKey},
		{"kty in lower case", map[string]any{"kty": "ec"}, ErrKey},
		{"kty of another type", map[string]any{"kty": "RSA"}, ErrKey},
		{"kty number", map[string]any{"kty": 2}, ErrKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ParseKey(with(t, sampleOf(t, "P-256").jwk, test.changes)); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestParseKeyRefusesWhatIsNoObject(t *testing.T) {
	for document, want := range map[string]error{
		``: ErrNotObject, `null`: ErrNotObject, `[]`: ErrNotObject, `{"kty":"EC"`: ErrSyntax, `{}`: ErrKey,
		`{"kty":"EC","kty":"EC"}`:                     ErrDuplicate,
		`{"x":"` + strings.Repeat("A", 64<<10) + `"}`: ErrKey,
		`{"keys":[]}`:                                         ErrKey,
		"{\"kty\":\"\xff\"}":                                  ErrText,
		string(sampleOf(t, "P-256").jwk) + "{}":               ErrSyntax,
		`{"kty":"oct","k":"` + strings.Repeat("A", 43) + `"}`: ErrKey,
	} {
		if _, err := ParseKey([]byte(document)); !errors.Is(err, want) {
			t.Errorf("%.40q: got %v, want %v", document, err, want)
		}
	}
}

func TestEllipticCurvePointIsOnTheCurve(t *testing.T) {
	jwk := sampleOf(t, "P-256").jwk
	var m map[string]string
	if err := json.Unmarshal(jwk, &m); err != nil {
		t.Fatal(err)
	}
	x, err := Decode(m["x"])
	if err != nil {
		t.Fatal(err)
	}
	// The same x modulo the field's prime, if it were not reduced; and one with a zero octet before it.
	prime := elliptic.P256().Params().P
	padded := encoding.EncodeToString(append([]byte{0}, x...))
	zero := encoding.EncodeToString(make([]byte, 32))
	for _, test := range []struct {
		name    string
		changes map[string]any
	}{
		{"EC off curve", map[string]any{"y": m["x"]}},
		{"EC (0,0)", map[string]any{"x": zero, "y": zero}},
		{"EC padded coords (33B)", map[string]any{"x": padded}},
		{"EC short coordinate", map[string]any{"x": encoding.EncodeToString(x[:31])}},
		{"EC coordinate is the field's prime", map[string]any{"x": encoding.EncodeToString(prime.Bytes())}},
		{"EC coordinate above the field's prime", map[string]any{"x": encoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32))}},
		{"EC without x", map[string]any{"x": nil}},
		{"EC without y", map[string]any{"y": nil}},
		{"EC empty x", map[string]any{"x": ""}},
		{"EC x with padding", map[string]any{"x": m["x"] + "="}},
		{"EC x with stray bits", map[string]any{"x": m["x"][:42] + "B"}},
		{"EC x in plain base64", map[string]any{"x": "+" + m["x"][1:]}},
		{"EC x number", map[string]any{"x": 1}},
		{"EC of another curve", map[string]any{"crv": "P-384"}},
		{"EC secp256k1", map[string]any{"crv": "secp256k1"}},
		{"EC p-256", map[string]any{"crv": "p-256"}},
		{"EC without crv", map[string]any{"crv": nil}},
		{"EC on Ed25519", map[string]any{"crv": "Ed25519"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ParseKey(with(t, jwk, test.changes)); !errors.Is(err, ErrKey) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("EC dup x", func(t *testing.T) {
		if _, err := ParseKey([]byte(`{"x":"AA",` + string(jwk[1:]))); !errors.Is(err, ErrDuplicate) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("EC with d", func(t *testing.T) {
		if _, err := ParseKey(with(t, jwk, map[string]any{"d": m["x"]})); !errors.Is(err, ErrKey) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("oct", func(t *testing.T) {
		if _, err := ParseKey([]byte(`{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}`)); !errors.Is(err, ErrKey) {
			t.Errorf("got %v", err)
		}
	})
}

// modulus returns an odd number of exactly so many bits.
func modulus(bits uint) []byte {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return n.SetBit(n, 0, 1).Bytes()
}

func TestRSAKeyIsOfBoundedSize(t *testing.T) {
	jwk := sampleOf(t, "RSA-2048").jwk
	parse := func(n, e []byte) error {
		_, err := ParseKey(with(t, jwk, map[string]any{"n": encoding.EncodeToString(n), "e": encoding.EncodeToString(e)}))
		return err
	}
	exponent := []byte{1, 0, 1}
	for bits, valid := range map[uint]bool{
		512: false, 1024: false, 2040: false, 2047: false, 2048: true, 2049: true, 2056: true, 3072: true, 4095: true, 4096: true,
		4097: false, 4104: false, 8192: false, 64000: false,
	} {
		if err := parse(modulus(bits), exponent); (err == nil) != valid || err != nil && !errors.Is(err, ErrKey) {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
	for _, test := range []struct {
		name  string
		e     []byte
		valid bool
	}{
		{"3", []byte{3}, true},
		{"65537", []byte{1, 0, 1}, true},
		{"2^32-1", []byte{0xff, 0xff, 0xff, 0xff}, true},
		{"missing", nil, false},
		{"0", []byte{0}, false},
		{"1", []byte{1}, false},
		{"2", []byte{2}, false},
		{"65536", []byte{1, 0, 0}, false},
		{"2^32+1", []byte{1, 0, 0, 0, 1}, false},
		{"RSA e huge", bytes.Repeat([]byte{0xff}, 256), false},
		{"with a leading zero", []byte{0, 1, 0, 1}, false},
	} {
		if err := parse(modulus(2048), test.e); (err == nil) != test.valid || err != nil && !errors.Is(err, ErrKey) {
			t.Errorf("e %s: %v", test.name, err)
		}
	}
	even := modulus(2048)
	even[255] = 2
	for name, n := range map[string][]byte{
		"RSA n leading zero": append([]byte{0}, modulus(2048)...),
		"even n":             even,
		"zero n":             make([]byte, 256),
		"no n":               nil,
	} {
		if err := parse(n, exponent); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	text := encoding.EncodeToString(modulus(2048)) // 256 octets leave four stray bits
	for name, n := range map[string]string{"padding": text + "==", "stray bits": text[:len(text)-1] + "R", "line break": text[:9] + "\n" + text[10:]} {
		if _, err := ParseKey(with(t, jwk, map[string]any{"n": n})); !errors.Is(err, ErrKey) {
			t.Errorf("n with %s: %v", name, err)
		}
	}
}

// The size is known from the text's length: however long it is, nothing is decoded.
func TestRSASizeIsCheckedBeforeDecoding(t *testing.T) {
	m := members{n: strings.Repeat("A", 60_000), e: "AQAB"}
	if got := testing.AllocsPerRun(10, func() { _, _ = m.rsa() }); got > 6 {
		t.Errorf("%v allocations", got)
	}
	if _, err := m.rsa(); !errors.Is(err, ErrKey) {
		t.Errorf("got %v", err)
	}
}

// A modulus p*q with p = k*M + (65537^a mod M) and q alike is a power of 65537 modulo every factor of M.
func TestBrokenKeyGeneratorIsRecognised(t *testing.T) {
	product := big.NewInt(1)
	for _, prime := range fingerprint {
		product.Mul(product, new(big.Int).SetUint64(prime.prime))
	}
	n := new(big.Int).SetBytes(modulus(2048))
	n.Sub(n, new(big.Int).Mod(n, product))
	n.Add(n, new(big.Int).Exp(big.NewInt(65537), big.NewInt(1234567), product))
	if n.Bit(0) == 0 {
		n.Add(n, product)
	}
	jwk := with(t, sampleOf(t, "RSA-2048").jwk, map[string]any{"n": encoding.EncodeToString(n.Bytes())})
	if _, err := ParseKey(jwk); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "generator") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseKey(f *testing.F) {
	for _, sample := range sampleKeys(f) {
		f.Add(sample.jwk)
	}
	f.Add([]byte(`{"kty":"EC","crv":"P-256","x":"\u006c8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",` +
		`"y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","use":"sig","key_ops":["verify"],"kid":"k"}`))
	f.Add([]byte(`{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`))
	f.Fuzz(func(t *testing.T, jwk []byte) {
		key, err := ParseKey(jwk)
		if err != nil {
			return
		}
		canonical, err := json.Marshal(publicMembers(key.Public))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseKey(canonical)
		if err != nil {
			t.Fatalf("%s: %v", canonical, err)
		}
		if !again.Thumbprint.Equal(key.Thumbprint) {
			t.Errorf("thumbprint %v of %s, %v after encoding it again", key.Thumbprint, jwk, again.Thumbprint)
		}
		if public, ok := key.Public.(*ecdsa.PublicKey); ok {
			if _, err := public.ECDH(); err != nil {
				t.Errorf("not a point on the curve: %v", err)
			}
		}
	})
}
