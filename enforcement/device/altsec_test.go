// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// certificateOf8705 is that of RFC 8705, appendix A.
const certificateOf8705 = `-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----`

// ofCertificate is the evidence of a TLS handshake with it.
func ofCertificate(t testing.TB) Evidence {
	t.Helper()
	block, _ := pem.Decode([]byte(certificateOf8705))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(certificate.Raw)
	return Evidence{CertificateHash: &hash, Certificate: certificate}
}

// vector is testdata/alternative_security_ids.json.
type vector struct {
	String string
	Graph  json.RawMessage `json:"graph_alternativeSecurityIds_entry"`
	SPKI   string          `json:"publickeyhash_spki_variant"`
}

func readVector(t testing.TB) vector {
	t.Helper()
	document, err := os.ReadFile("testdata/alternative_security_ids.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAnAltSecurityIdentityNamesItsCertificate(t *testing.T) {
	v := readVector(t)
	evidence := ofCertificate(t)
	for name, text := range map[string]string{
		"by the octets of the BIT STRING": v.String,
		"by the SubjectPublicKeyInfo":     v.String[:len(v.String)-44] + v.SPKI,
		"in small letters":                altSecPrefix + strings.ToLower(v.String[len(altSecPrefix):][:40]) + v.String[len(v.String)-44:],
	} {
		key, found, err := ParseAltSecurityIdentity(text)
		if err != nil || !found {
			t.Fatalf("%s: %v, %v", name, found, err)
		}
		d := Device{ID: "d", Keys: []Key{key}}
		if ok, hardware := d.own(&evidence, 0); !ok || hardware {
			t.Errorf("%s: own %v, hardware-backed %v", name, ok, hardware)
		}
	}
}

func TestGraphWritesTheSameInUTF16(t *testing.T) {
	v := readVector(t)
	d := parse(t, `{"deviceId":"d","alternativeSecurityIds":[`+string(v.Graph)+`,{"type":1,"key":"x"}]}`)[0]
	want, _, err := ParseAltSecurityIdentity(v.String)
	if err != nil || len(d.Keys) != 1 || d.Keys[0] != want {
		t.Errorf("keys are %+v, expected %+v (%v)", d.Keys, want, err)
	}
}

// SHA-1 is an index, never the only check.
func TestTheSHA1AloneNamesNoCertificate(t *testing.T) {
	v := readVector(t)
	evidence := ofCertificate(t)
	other := v.String[:len(v.String)-44] + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	key, _, err := ParseAltSecurityIdentity(other)
	if err != nil {
		t.Fatal(err)
	}
	d := Device{ID: "d", Keys: []Key{key}}
	if ok, _ := d.own(&evidence, 0); ok {
		t.Error("another public key was taken for the device's own")
	}
	forwarded := Evidence{CertificateHash: evidence.CertificateHash} // only its hash is known
	right, _, _ := ParseAltSecurityIdentity(v.String)
	d.Keys = []Key{right}
	if ok, _ := d.own(&forwarded, 0); ok {
		t.Error("a certificate that was not seen was taken for the device's own")
	}
}

func TestAltSecurityIdentitiesOfOtherKindsAreNoErrors(t *testing.T) {
	for _, text := range []string{"", "Kerberos:alice@CONTOSO.EXAMPLE", "X509:<I>DC=example<S>CN=alice"} {
		if key, found, err := ParseAltSecurityIdentity(text); found || err != nil || key != (Key{}) {
			t.Errorf("%q: %v, %v, %v", text, key, found, err)
		}
	}
	good := readVector(t).String
	for _, text := range []string{altSecPrefix, good[:len(good)-1], good + "=", altSecPrefix + strings.Repeat("g", 40) + good[len(good)-44:], good[:len(good)-2] + "d="} {
		if _, found, err := ParseAltSecurityIdentity(text); found || err == nil {
			t.Errorf("%q: %v, %v", text, found, err)
		}
	}
}

// What is accepted names one certificate, and is written in one way but for the case of the hexadecimal digits.
func FuzzParseAltSecurityIdentityReadsWhatWasWritten(f *testing.F) {
	f.Add(readVector(f).String)
	f.Add(altSecPrefix)
	f.Add("Kerberos:alice")
	f.Fuzz(func(t *testing.T, text string) {
		key, found, err := ParseAltSecurityIdentity(text)
		if !found {
			if key != (Key{}) || err == nil && strings.HasPrefix(text, altSecPrefix) {
				t.Errorf("%+v, %v", key, err)
			}
			return
		}
		fingerprint, err := jose.Decode(key.CertificateSHA1)
		if err != nil || len(fingerprint) != 20 {
			t.Fatalf("SHA-1 is %q", key.CertificateSHA1)
		}
		hash, err := jose.Decode(key.PublicKeyHash)
		if err != nil {
			t.Fatal(err)
		}
		again := altSecPrefix + hex.EncodeToString(fingerprint) + base64.StdEncoding.EncodeToString(hash)
		if !strings.EqualFold(again[:len(altSecPrefix)+40], text[:len(altSecPrefix)+40]) || again[len(altSecPrefix)+40:] != text[len(altSecPrefix)+40:] {
			t.Errorf("%q was read as %q", text, again)
		}
	})
}
