// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package keycredential

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// blob is one of testdata/keycredentiallink.json: a real value of the attribute.
type blob struct {
	Name     string
	Hex      string `json:"blob_hex"`
	Usage    string `json:"expect_usage"`
	Source   string `json:"expect_source"`
	DeviceID string `json:"expect_device_id"`
}

func readBlobs(t testing.TB) []blob {
	t.Helper()
	document, err := os.ReadFile("testdata/keycredentiallink.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Blobs []blob }
	if err := json.Unmarshal(document, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Blobs) != 16 {
		t.Fatalf("%d blobs", len(file.Blobs))
	}
	return file.Blobs
}

func (b blob) octets(t testing.TB) []byte {
	t.Helper()
	octets, err := hex.DecodeString(b.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func named(t testing.TB, name string) []byte {
	t.Helper()
	for _, b := range readBlobs(t) {
		if b.Name == name {
			return b.octets(t)
		}
	}
	t.Fatalf("no blob %s", name)
	return nil
}

func TestRealCredentialsAreDecoded(t *testing.T) {
	usages, sources := map[string]Usage{"NGC": NGC, "STK": STK, "FIDO": FIDO}, map[string]Source{"AD": ActiveDirectory, "AzureAD": Entra}
	for _, b := range readBlobs(t) {
		t.Run(b.Name, func(t *testing.T) {
			c, err := Decode(b.octets(t))
			if b.Name == "KeyCredential_Parse_UserKey3" { // of 2017, from a TPM whose keys can be factored (CVE-2017-15361)
				if !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "CVE-2017-15361") {
					t.Errorf("%+v, %v", c, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Usage != usages[b.Usage] || c.Source != sources[b.Source] {
				t.Errorf("usage %d, source %d; expected %s, %s", c.Usage, c.Source, b.Usage, b.Source)
			}
			if b.DeviceID != "" && c.DeviceID != b.DeviceID || c.Usage == FIDO && c.DeviceID != "" {
				t.Errorf("device id %q, expected %q", c.DeviceID, b.DeviceID)
			}
			if (c.Key == nil) != (c.Usage == FIDO) {
				t.Errorf("key is %v", c.Key)
			}
			if c.Hardware != (b.Name == "KeyCredential_Parse_DeviceKey_TPM") {
				t.Errorf("hardware is %v", c.Hardware)
			}
			// What LDAP returns.
			value := fmt.Sprintf("B:%d:%s:CN=dev\\:ice,DC=contoso,DC=example", len(b.Hex), b.Hex)
			if parsed, err := Parse(value); err != nil || parsed.DeviceID != c.DeviceID {
				t.Errorf("as DN-Binary: %+v, %v", parsed, err)
			}
		})
	}
}

// assemble writes a credential; change may spoil its entries before the hash is taken.
func assemble(material []byte, usage Usage, change func(map[entryID][]byte)) []byte {
	id := sha256.Sum256(material)
	entries := map[entryID][]byte{
		entryKeyID: id[:], entryKeyMaterial: material, entryKeyUsage: {byte(usage)}, entryKeySource: {0},
	}
	if change != nil {
		change(entries)
	}
	write := func(to []byte, id entryID, value []byte) []byte {
		to = binary.LittleEndian.AppendUint16(to, uint16(len(value)))
		return append(append(to, byte(id)), value...)
	}
	var behind []byte
	for id := entryKeyMaterial; id <= 9; id++ {
		if value, ok := entries[id]; ok {
			behind = write(behind, id, value)
		}
	}
	hash := sha256.Sum256(behind)
	out := binary.LittleEndian.AppendUint32(nil, version)
	if value, ok := entries[entryKeyID]; ok {
		out = write(out, entryKeyID, value)
	}
	return append(write(out, entryKeyHash, hash[:]), behind...)
}

// misordered has a hash that fits and two entries in the wrong order.
func misordered() []byte {
	behind := []byte{1, 0, byte(entryKeySource), 0, 1, 0, byte(entryKeyUsage), 1}
	hash := sha256.Sum256(behind)
	head := append(binary.LittleEndian.AppendUint32(nil, version), 0, 0, byte(entryKeyID), sha256.Size, 0, byte(entryKeyHash))
	return append(append(head, hash[:]...), behind...)
}

// One key has one thumbprint, in whichever form a directory keeps it.
func TestEveryFormOfAKeyHasItsThumbprint(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki := func(public any) []byte {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	point, err := curve.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	rsaJWK := fmt.Sprintf(`{"kty":"RSA","n":"%s","e":"AQAB"}`, encode(key.N.Bytes()))
	ecJWK := fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":"%s","y":"%s"}`, encode(point[1:33]), encode(point[33:]))
	for name, c := range map[string]struct {
		material []byte
		jwk      string
	}{
		"SubjectPublicKeyInfo, RSA": {spki(&key.PublicKey), rsaJWK},
		"RSAPublicKey":              {x509.MarshalPKCS1PublicKey(&key.PublicKey), rsaJWK},
		"RSA1":                      {rsaBlob(key.N.Bytes(), []byte{1, 0, 1}), rsaJWK},
		"RSA1, longer exponent":     {rsaBlob(key.N.Bytes(), []byte{0, 1, 0, 1}), rsaJWK},
		"SubjectPublicKeyInfo, EC":  {spki(&curve.PublicKey), ecJWK},
	} {
		want, err := jose.ParseKey([]byte(c.jwk))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(assemble(c.material, NGC, nil))
		if err != nil || got.Key.Thumbprint != want.Thumbprint {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func rsaBlob(modulus, exponent []byte) []byte {
	out := []byte(rsaMagic)
	for _, n := range []int{8 * len(modulus), len(exponent), len(modulus), 0, 0} {
		out = binary.LittleEndian.AppendUint32(out, uint32(n))
	}
	return append(append(out, exponent...), modulus...)
}

func TestMalformedCredentialsAreRefused(t *testing.T) {
	good := named(t, "KeyCredential_Parse_UserKey1")
	spoil := func(change func(b []byte) []byte) []byte { return change(append([]byte(nil), good...)) }
	modulus := make([]byte, 256)
	for i := range modulus {
		modulus[i] = 0xff
	}
	lying := rsaBlob(modulus, []byte{1, 0, 1})
	binary.LittleEndian.PutUint32(lying[12:], 512)
	primes := rsaBlob(modulus, []byte{1, 0, 1})
	primes[16] = 1
	small := rsaBlob(modulus[:128], []byte{1, 0, 1})
	bits := rsaBlob(modulus, []byte{1, 0, 1})
	binary.LittleEndian.PutUint32(bits[4:], 1024)
	for name, c := range map[string]struct {
		blob []byte
		want error
	}{
		"nothing":              {nil, ErrSyntax},
		"version 0x100":        {spoil(func(b []byte) []byte { b[1] = 1; return b }), ErrSyntax},
		"cut off":              {good[:len(good)-1], ErrHash},
		"cut off in the hash":  {good[:60], ErrSyntax},
		"half a header":        {spoil(func(b []byte) []byte { return b[:6] }), ErrSyntax},
		"a length that lies":   {spoil(func(b []byte) []byte { b[5] = 0xff; return b }), ErrSyntax},
		"one octet more":       {append(append([]byte(nil), good...), 0), ErrHash},
		"one bit less":         {spoil(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), ErrHash},
		"too large":            {make([]byte, MaxSize+1), ErrSyntax},
		"not in order":         {spoil(func(b []byte) []byte { return append(b[:4:4], append(b[39:74:74], b[4:39]...)...) }), ErrHash},
		"usage after source":   {misordered(), ErrSyntax},
		"an entry twice":       {spoil(func(b []byte) []byte { return append(b[:39:39], b[4:]...) }), ErrSyntax},
		"another key's id":     {assemble(rsaBlob(modulus, []byte{1, 0, 1}), NGC, func(e map[entryID][]byte) { e[entryKeyID] = make([]byte, 32) }), ErrHash},
		"no key id":            {assemble([]byte("x"), NGC, func(e map[entryID][]byte) { delete(e, entryKeyID) }), ErrSyntax},
		"no material":          {assemble(nil, NGC, nil), ErrSyntax},
		"no usage":             {assemble([]byte("x"), NGC, func(e map[entryID][]byte) { delete(e, entryKeyUsage) }), ErrSyntax},
		"a long source":        {assemble([]byte("x"), NGC, func(e map[entryID][]byte) { e[entryKeySource] = []byte{0, 0} }), ErrSyntax},
		"a short device id":    {assemble([]byte("x"), NGC, func(e map[entryID][]byte) { e[entryDeviceID] = make([]byte, 15) }), ErrSyntax},
		"no key at all":        {assemble([]byte("x"), NGC, nil), ErrKey},
		"RSA1 alone":           {assemble([]byte(rsaMagic), NGC, nil), ErrKey},
		"RSA1, modulus lies":   {assemble(lying, NGC, nil), ErrKey},
		"RSA1 with primes":     {assemble(primes, NGC, nil), ErrKey},
		"RSA1 of another size": {assemble(bits, NGC, nil), ErrKey},
		"RSA of 1024 bits":     {assemble(small, NGC, nil), ErrKey},
		"PCPM alone":           {assemble([]byte(tpmMagic), STK, nil), ErrKey},
		"PCPM of TPM 1":        {assemble(append([]byte(tpmMagic), make([]byte, 60)...), STK, nil), ErrKey},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Decode(c.blob); !errors.Is(err, c.want) {
				t.Errorf("%+v, %v; expected %v", got, err, c.want)
			}
		})
	}
}

// Each length of the TPM's public part is held against what is there.
func TestATPMKeyOfAnotherLengthIsRefused(t *testing.T) {
	entries, err := split(named(t, "KeyCredential_Parse_DeviceKey_TPM"))
	if err != nil {
		t.Fatal(err)
	}
	material := entries[entryKeyMaterial]
	public := material[56 : 56+316]
	if _, err := parseTPMPublic(public); err != nil {
		t.Fatal(err)
	}
	for n := range public {
		if key, err := parseTPMPublic(public[:n]); !errors.Is(err, ErrKey) {
			t.Fatalf("%d octets: %v, %v", n, key, err)
		}
	}
	for name, at := range map[string]int{"size": 1, "type": 3, "policy": 11, "scheme": 51, "key bits": 53, "modulus": 59} {
		spoiled := append([]byte(nil), public...)
		spoiled[at] ^= 1
		if key, err := parseTPMPublic(spoiled); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
}

func TestADNBinaryOfAnotherShapeIsRefused(t *testing.T) {
	b := readBlobs(t)[1]
	for name, value := range map[string]string{
		"empty": "", "bare": b.Hex, "a string": "S:5:hello:CN=x", "no owner": fmt.Sprintf("B:%d:%s", len(b.Hex), b.Hex),
		"a length too small": fmt.Sprintf("B:%d:%s:CN=x", len(b.Hex)-2, b.Hex), "a length too large": fmt.Sprintf("B:%d:%s:CN=x", len(b.Hex)+2, b.Hex),
		"no length": "B::" + b.Hex + ":CN=x", "a signed length": fmt.Sprintf("B:+%d:%s:CN=x", len(b.Hex), b.Hex), "zeros before": fmt.Sprintf("B:0%d:%s:CN=x", len(b.Hex), b.Hex),
		"not hexadecimal": "B:2:zz:CN=x", "odd": "B:1:0:CN=x", "very long": "B:65534:" + strings.Repeat("0", 65534) + ":CN=x",
	} {
		if c, err := Parse(value); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// What is decoded has a key that passes key hygiene, and only for the usages that have one; any changed octet behind the
// hash is noticed.
func FuzzDecodeAcceptsOnlyWhatItsHashCovers(f *testing.F) {
	for _, b := range readBlobs(f) {
		f.Add(b.octets(f), uint16(100))
	}
	f.Fuzz(func(t *testing.T, blob []byte, at uint16) {
		c, err := Decode(blob)
		if err != nil {
			if c != nil && c.Key != nil {
				t.Error("a key beside an error")
			}
			return
		}
		if (c.Key != nil) != (c.Usage == NGC || c.Usage == STK) || len(blob) > MaxSize {
			t.Errorf("accepted %+v", c)
		}
		behind := 4 + headerSize + int(binary.LittleEndian.Uint16(blob[4:])) + headerSize + sha256.Size
		spoiled := append([]byte(nil), blob...)
		spoiled[behind+int(at)%(len(blob)-behind)] ^= 1
		if _, err := Decode(spoiled); err == nil {
			t.Error("a changed octet was not noticed")
		}
	})
}

// A DN-Binary is accepted only in its one form, and means what its octets mean.
func FuzzParseMeansWhatItsOctetsMean(f *testing.F) {
	for _, b := range readBlobs(f) {
		f.Add(fmt.Sprintf("B:%d:%s:CN=x", len(b.Hex), b.Hex))
	}
	f.Fuzz(func(t *testing.T, value string) {
		parsed, err := Parse(value)
		if err != nil {
			return
		}
		parts := strings.SplitN(value, ":", 4)
		blob, hexErr := hex.DecodeString(parts[2])
		decoded, err := Decode(blob)
		if len(parts) != 4 || parts[0] != "B" || parts[1] != fmt.Sprint(len(parts[2])) || hexErr != nil || err != nil || decoded.DeviceID != parsed.DeviceID || decoded.Usage != parsed.Usage {
			t.Errorf("%q: %+v, %+v, %v", value, parsed, decoded, err)
		}
	})
}
