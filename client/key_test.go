// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var allAlgorithms = []Algorithm{ES256, ES384, ES512, EdDSA, RS256, PS256}

func generate(t testing.TB, alg Algorithm) *Key {
	t.Helper()
	key, err := GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestGeneratesES256ByDefault(t *testing.T) {
	if alg := generate(t, "").Algorithm(); alg != ES256 {
		t.Errorf("algorithm %s, want ES256", alg)
	}
}

func TestRefusesUnsupportedAlgorithms(t *testing.T) {
	for _, alg := range []Algorithm{"none", "HS256", "es256", "ES256K", "PS512"} {
		if _, err := GenerateKey(alg); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%s: error %v, want ErrAlgorithm", alg, err)
		}
	}
}

// The keys and thumbprints that RFC 7638, section 3.1, RFC 8037, appendix A.3 and
// RFC 9449, sections 4.1 and 6.1 print.
func TestThumbprintsAreThoseOfTheStandards(t *testing.T) {
	for _, test := range []struct {
		source, want string
		public       map[string]string
	}{
		{"RFC 7638", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", map[string]string{
			"kty": "RSA", "e": "AQAB",
			"n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
		}},
		{"RFC 8037", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", map[string]string{
			"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		}},
		{"RFC 9449", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", map[string]string{
			"kty": "EC", "crv": "P-256",
			"x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
		}},
	} {
		key := &Key{public: test.public}
		if got := key.Thumbprint(); got != test.want {
			t.Errorf("%s: thumbprint %s, want %s", test.source, got, test.want)
		}
	}
}

func TestSavedKeyLoadsAsItself(t *testing.T) {
	for _, alg := range allAlgorithms {
		t.Run(string(alg), func(t *testing.T) {
			key, path := generate(t, alg), filepath.Join(t.TempDir(), "device.jwk")
			if err := key.Save(path); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if mode := info.Mode().Perm(); mode != 0o600 {
				t.Errorf("mode %o, want 600", mode)
			}
			loaded, err := LoadKey(path)
			if err != nil {
				t.Fatal(err)
			}
			if loaded.Thumbprint() != key.Thumbprint() || loaded.Algorithm() != alg {
				t.Errorf("loaded %s, want %s", loaded, key)
			}
			proof, err := loaded.Proof(Proof{URL: "https://mail.example/"})
			if err != nil {
				t.Fatal(err)
			}
			verify(t, proof)
		})
	}
}

func TestSaveReplacesWholeFileAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "device.jwk")
	if err := generate(t, RS256).Save(path); err != nil {
		t.Fatal(err)
	}
	second := generate(t, EdDSA)
	if err := second.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadKey(path)
	if err != nil || loaded.Thumbprint() != second.Thumbprint() {
		t.Errorf("loaded %v, %v, want the second key", loaded, err)
	}
	if err := second.Save(filepath.Join(dir, "absent", "device.jwk")); err == nil {
		t.Error("saved into a directory that does not exist")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files in the directory, want 1", len(entries))
	}
}

func TestPrintingAKeyShowsNoPrivatePart(t *testing.T) {
	key := generate(t, ES256)
	var private privateJWK
	document, err := key.privateJWK()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &private); err != nil {
		t.Fatal(err)
	}
	marshalled, err := json.Marshal([]any{key})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(key), fmt.Sprintf("%+v", key), fmt.Sprintf("%#v", key), string(key.PublicJWK()), string(marshalled),
	} {
		if strings.Contains(shown, private.D) || strings.Contains(shown, `"d"`) {
			t.Errorf("private part in %q", shown)
		}
	}
}

func TestRefusesBrokenKeyFiles(t *testing.T) {
	const x, y, d = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
		"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"
	for _, test := range []struct{ name, document, want string }{
		{"not JSON", `{"kty":"EC","d":"` + d, "not a JSON object"},
		{"wrong member type", `{"kty":"EC","d":7}`, "not a JSON object"},
		{"public key", `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"}`, "member d"},
		{"key type", `{"kty":"oct","d":"` + d + `"}`, "member kty"},
		{"curve", `{"kty":"EC","crv":"secp256k1","d":"` + d + `"}`, "member crv"},
		{"Edwards curve", `{"kty":"OKP","crv":"X25519","d":"` + d + `"}`, "member crv"},
		{"short d", `{"kty":"OKP","crv":"Ed25519","d":"AAAA"}`, "member d"},
		{"zero d", `{"kty":"EC","crv":"P-256","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, "member d"},
		{"padded d", `{"kty":"EC","crv":"P-256","d":"` + d + `="}`, "member d"},
		{"another key's public part", `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `","d":"` + d + `"}`, "does not belong"},
		{"algorithm of another key type", `{"kty":"EC","crv":"P-256","alg":"RS256","d":"` + d + `"}`, "member alg"},
		{"algorithm of another curve", `{"kty":"EC","crv":"P-256","alg":"ES384","d":"` + d + `"}`, "member alg"},
		{"RSA without primes", `{"kty":"RSA","n":"` + d + `","e":"AQAB","d":"` + d + `"}`, "member p"},
		{"RSA that does not compute", `{"kty":"RSA","n":"` + d + `","e":"AQAB","p":"Aw","q":"BQ","d":"` + d + `"}`, "not a valid RSA key"},
		{"too large", `{"kty":"EC"` + strings.Repeat(" ", maxKeyFile) + `}`, "larger than"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "device.jwk")
			if err := os.WriteFile(path, []byte(test.document), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadKey(path)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want one that names %q", err, test.want)
			}
			if strings.Contains(err.Error(), d) {
				t.Errorf("error shows the private key: %v", err)
			}
		})
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want os.ErrNotExist", err)
	}
}
