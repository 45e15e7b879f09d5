// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Wycheproof's vectors are in testdata/wycheproof, with their licence. In the two .jsonl files each case is a line.

// readLines decodes each line of a file into a T.
func readLines[T any](t *testing.T, name string) []T {
	t.Helper()
	file, err := os.Open("testdata/wycheproof/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []T
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line T
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// verifyToken is the way of a token through this package.
func verifyToken(jwk []byte, token string) error {
	compact, err := Split(token, 8<<10)
	if err != nil {
		return err
	}
	header, err := ParseHeader(compact.Header)
	if err != nil {
		return err
	}
	key, err := ParseKey(jwk)
	if err != nil {
		return err
	}
	signature, err := Decode(compact.Signature)
	if err != nil {
		return err
	}
	if _, err := Decode(compact.Payload); err != nil {
		return err
	}
	return key.Verify(header.Algorithm, compact.SigningInput, signature)
}

func TestWycheproofSignatures(t *testing.T) {
	type vector struct {
		ID       int             `json:"tcId"`
		Comment  string          `json:"comment"`
		Group    string          `json:"group"`
		JWK      json.RawMessage `json:"public_jwk"`
		JWS      string          `json:"jws"`
		Expected string          `json:"our_expected"`
	}
	vectors := readLines[vector](t, "wycheproof_jws.jsonl")
	if len(vectors) != 401 {
		t.Errorf("%d vectors, expected 401", len(vectors))
	}
	for _, v := range vectors {
		t.Run(fmt.Sprintf("%d %s %s", v.ID, v.Group, v.Comment), func(t *testing.T) {
			err := verifyToken(v.JWK, v.JWS)
			switch {
			case v.Expected == "valid" && strings.Contains(v.JWS, ".."):
				// An empty payload is a JWS but never a token. Split refuses it; the signature is checked here by itself.
				if !errors.Is(err, ErrCompact) {
					t.Errorf("a token without a payload: %v", err)
				}
				err = verifyEmpty(v.JWK, v.JWS)
			case v.Comment == "Figure20":
				// RFC 7520, section 4.2: signed with PS384, but Wycheproof's key says PS256, and a key's alg is honoured.
				if !errors.Is(err, ErrAlgorithm) {
					t.Errorf("a key for another algorithm: %v", err)
				}
				err = verifyToken(with(t, v.JWK, map[string]any{"alg": nil}), v.JWS)
			}
			if (err == nil) != (v.Expected == "valid") {
				t.Errorf("expected %s, got %v", v.Expected, err)
			}
		})
	}
}

// verifyEmpty checks the signature over an empty payload: a payload in its place lets
// Split pass, and is not what was signed.
func verifyEmpty(jwk []byte, token string) error {
	compact, err := Split(strings.Replace(token, "..", ".AA.", 1), 8<<10)
	if err != nil {
		return err
	}
	header, err := ParseHeader(compact.Header)
	if err != nil {
		return err
	}
	key, err := ParseKey(jwk)
	if err != nil {
		return err
	}
	signature, err := Decode(compact.Signature)
	if err != nil {
		return err
	}
	if key.Verify(header.Algorithm, compact.SigningInput, signature) == nil {
		return errors.New("the signature of an empty payload covers another one")
	}
	return key.Verify(header.Algorithm, compact.Header+".", signature)
}

func TestWycheproofKeys(t *testing.T) {
	type set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	type vector struct {
		ID      int    `json:"tcId"`
		Comment string `json:"comment"`
		Group   string `json:"group"`
		Public  *set   `json:"public"`
		Set     *set   `json:"private_or_set"` // symmetric keys: never valid here
		JWS     string `json:"jws"`
		Result  string `json:"wycheproof"`
	}
	vectors := readLines[vector](t, "wycheproof_jwk.jsonl")
	if len(vectors) != 26 {
		t.Errorf("%d vectors, expected 26", len(vectors))
	}
	for _, v := range vectors {
		t.Run(fmt.Sprintf("%d %s %s", v.ID, v.Group, v.Comment), func(t *testing.T) {
			keys, valid := v.Public, v.Result == "valid"
			if keys == nil {
				keys, valid = v.Set, false
			}
			verified := false
			for _, jwk := range keys.Keys {
				verified = verified || verifyToken(jwk, v.JWS) == nil
			}
			if verified != valid {
				t.Errorf("verified: %v, expected: %v", verified, valid)
			}
		})
	}
}

// The primitives behind ES256 and EdDSA, with signatures that are made to break them.
func TestWycheproofPrimitives(t *testing.T) {
	for name, alg := range map[string]Algorithm{"ecdsa_secp256r1_sha256_p1363_test.json": ES256, "ed25519_test.json": Ed25519} {
		data, err := os.ReadFile("testdata/wycheproof/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			TestGroups []struct {
				PublicKeyJWK json.RawMessage
				Tests        []struct {
					ID               int `json:"tcId"`
					Comment          string
					Msg, Sig, Result string
				}
			}
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		checked := 0
		for _, group := range file.TestGroups {
			if group.PublicKeyJWK == nil {
				continue
			}
			key, err := ParseKey(group.PublicKeyJWK)
			if err != nil {
				t.Errorf("%s: %s: %v", name, group.PublicKeyJWK, err)
				continue
			}
			for _, test := range group.Tests {
				message, err := hex.DecodeString(test.Msg)
				if err != nil {
					t.Fatal(err)
				}
				signature, err := hex.DecodeString(test.Sig)
				if err != nil {
					t.Fatal(err)
				}
				checked++
				if err := key.Verify(alg, string(message), signature); (err == nil) != (test.Result == "valid") {
					t.Errorf("%s %d %s: expected %s, got %v", name, test.ID, test.Comment, test.Result, err)
				}
			}
		}
		if checked < 100 {
			t.Errorf("%s: only %d signatures", name, checked)
		}
	}
}
