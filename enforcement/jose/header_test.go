// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"errors"
	"strings"
	"testing"
)

// header encodes a header's text.
func header(text string) string { return encoding.EncodeToString([]byte(text)) }

func TestParseHeaderReadsWhatItBelieves(t *testing.T) {
	got, err := ParseHeader(header(`{"typ":"DPoP+JWT","alg":"ES256","kid":"\u006b1","jwk": {"kty":"EC"} ,"jku":"https://evil.example",` +
		`"x5u":1,"x5c":[],"x5t#S256":null,"ALG":"none","cty":5}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Algorithm != ES256 || got.Type != "dpop+jwt" || got.KeyID != "k1" || string(got.Key) != `{"kty":"EC"}` {
		t.Errorf("got %+v", got)
	}
}

func TestParseHeaderLeavesAbsentParametersEmpty(t *testing.T) {
	got, err := ParseHeader(header(`{"alg":"PS512"}`))
	if err != nil || got.Algorithm != PS512 || got.Type != "" || got.KeyID != "" || got.Key != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTypeIsLoweredInASCIIOnly(t *testing.T) {
	for typ, want := range map[string]string{"JWT": "jwt", "at+jwt": "at+jwt", "AT+JWT\u212a": "at+jwt\u212a", "": ""} {
		got, err := ParseHeader(header(`{"alg":"ES256","typ":"` + typ + `"}`))
		if err != nil || got.Type != want {
			t.Errorf("%q became %q, %v", typ, got.Type, err)
		}
	}
}

// The first group are the traps that golang-jwt, go-jose or jwx were seen to walk into.
func TestParseHeaderRefuses(t *testing.T) {
	for _, test := range []struct {
		name, header string
		want         error
	}{
		{"unknown crit", `{"alg":"ES256","crit":["exp"],"exp":1}`, ErrHeader},
		{"empty crit", `{"alg":"ES256","crit":[]}`, ErrHeader},
		{"b64 false", `{"alg":"ES256","b64":false,"crit":["b64"]}`, ErrHeader},
		{"dup alg none last", `{"alg":"ES256","alg":"none"}`, ErrDuplicate},
		{"dup alg none first", `{"alg":"none","alg":"ES256"}`, ErrAlgorithm},
		{"case ALG", `{"ALG":"ES256"}`, ErrHeader},
		{"typ number", `{"alg":"ES256","typ":1}`, ErrHeader},
		{"alg array", `{"alg":["ES256"]}`, ErrHeader},
		{"trailing json", `{"alg":"ES256"}{}`, ErrSyntax},
		{"zip", `{"alg":"ES256","zip":"DEF"}`, ErrHeader},
		{"nested depth 5000", `{"alg":"ES256","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, ErrDepth},
		{"bom", "\xef\xbb\xbf" + `{"alg":"ES256"}`, ErrText},
		{"invalid utf8", "{\"alg\":\"ES256\",\"x\":\"\xff\"}", ErrText},

		{"both alg and ALG, the exact one is none", `{"ALG":"ES256","alg":"none"}`, ErrAlgorithm},
		{"escaped duplicate", `{"alg":"ES256","\u0061lg":"ES256"}`, ErrDuplicate},
		{"duplicate in the jwk", `{"alg":"ES256","jwk":{"x":"a","x":"b"}}`, ErrDuplicate},
		{"crit null", `{"alg":"ES256","crit":null}`, ErrHeader},
		{"escaped crit", `{"alg":"ES256","\u0063rit":["exp"]}`, ErrHeader},
		{"b64 true", `{"alg":"ES256","b64":true}`, ErrHeader},
		{"no alg", `{"typ":"JWT"}`, ErrHeader},
		{"empty alg", `{"alg":""}`, ErrAlgorithm},
		{"alg null", `{"alg":null}`, ErrHeader},
		{"none", `{"alg":"none"}`, ErrAlgorithm},
		{"None", `{"alg":"None"}`, ErrAlgorithm},
		{"HS256", `{"alg":"HS256"}`, ErrAlgorithm},
		{"es256", `{"alg":"es256"}`, ErrAlgorithm},
		{"ES256K", `{"alg":"ES256K"}`, ErrAlgorithm},
		{"ES256 and a space", `{"alg":"ES256 "}`, ErrAlgorithm},
		{"Ed448", `{"alg":"Ed448"}`, ErrAlgorithm},
		{"RSA-OAEP", `{"alg":"RSA-OAEP"}`, ErrAlgorithm},
		{"typ null", `{"alg":"ES256","typ":null}`, ErrHeader},
		{"kid number", `{"alg":"ES256","kid":1}`, ErrHeader},
		{"kid too long", `{"alg":"ES256","kid":"` + strings.Repeat("k", 1025) + `"}`, ErrHeader},
		{"jwk string", `{"alg":"ES256","jwk":"{}"}`, ErrHeader},
		{"jwk null", `{"alg":"ES256","jwk":null}`, ErrHeader},
		{"jwk array", `{"alg":"ES256","jwk":[{}]}`, ErrHeader},
		{"not an object", `"ES256"`, ErrNotObject},
		{"nothing", ``, ErrNotObject},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseHeader(header(test.header))
			if !errors.Is(err, test.want) || got.Algorithm != "" || got.Key != nil {
				t.Errorf("got %+v, %v, want %v", got, err, test.want)
			}
		})
	}
	if _, err := ParseHeader(header(`{"alg":"ES256"}`) + "="); !errors.Is(err, ErrBase64) {
		t.Errorf("padding: %v", err)
	}
}

func TestKeyIDOf1024OctetsIsFine(t *testing.T) {
	kid := strings.Repeat("k", 1024)
	if got, err := ParseHeader(header(`{"alg":"ES256","kid":"` + kid + `"}`)); err != nil || got.KeyID != kid {
		t.Errorf("got %d octets, %v", len(got.KeyID), err)
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, seed := range []string{benchHeader, `{"alg":"none"}`, `{"alg":"ES256","crit":[]}`, `{"alg":"PS256","typ":"JWT\u212a","kid":"\n"}`} {
		f.Add(header(seed))
	}
	f.Fuzz(func(t *testing.T, segment string) {
		got, err := ParseHeader(segment)
		if err != nil {
			return
		}
		if _, err := ParseAlgorithm(string(got.Algorithm)); err != nil {
			t.Errorf("algorithm %q: %v", got.Algorithm, err)
		}
		if len(got.KeyID) > maxKeyID || strings.ContainsAny(got.Type, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			t.Errorf("accepted %+v", got)
		}
		if got.Key != nil {
			if err := ScanObject(got.Key, nil); err != nil {
				t.Errorf("jwk is no document: %v", err)
			}
		}
		document, err := Decode(segment)
		if err != nil {
			t.Fatal(err)
		}
		_ = ScanObject(document, func(name string, _ Value) error {
			if name == "crit" || name == "b64" || name == "zip" {
				t.Errorf("accepted %s", name)
			}
			return nil
		})
	})
}
