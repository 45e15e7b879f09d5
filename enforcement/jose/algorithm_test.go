// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"slices"
	"testing"
)

func TestParseAlgorithmKnowsExactNamesOnly(t *testing.T) {
	all := Algorithms()
	if len(all) != 11 || all[0] != ES256 {
		t.Errorf("Algorithms() = %v", all)
	}
	for _, want := range all {
		if got, err := ParseAlgorithm(string(want)); err != nil || got != want {
			t.Errorf("%s: got %q, %v", want, got, err)
		}
	}
	for _, name := range []string{"", "none", "None", "NONE", "HS256", "HS384", "HS512", "es256", "ES256K", "ED25519", "eddsa", "Ed448", "RS1", "dir"} {
		if got, err := ParseAlgorithm(name); !errors.Is(err, ErrAlgorithm) || got != "" {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
}

func TestAlgorithmsCannotBeChangedByACaller(t *testing.T) {
	Algorithms()[0] = "none"
	if got, err := ParseAlgorithm("none"); err == nil {
		t.Errorf("none became %q", got)
	}
}

// The whole matrix: each key with each algorithm.
func TestAlgorithmIsTiedToTheKey(t *testing.T) {
	for _, sample := range sampleKeys(t) {
		key, err := ParseKey(sample.jwk)
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range append(Algorithms(), "", "none", "HS256") {
			err := key.Fits(alg)
			if slices.Contains(sample.algorithms, alg) {
				if err != nil {
					t.Errorf("%s with %s: %v", sample.name, alg, err)
				}
				continue
			}
			if !errors.Is(err, ErrAlgorithm) {
				t.Errorf("%s with %q: %v", sample.name, alg, err)
			}
			if err := key.Verify(alg, "a.b", make([]byte, 64)); !errors.Is(err, ErrAlgorithm) {
				t.Errorf("%s verifies with %q: %v", sample.name, alg, err)
			}
		}
	}
}

func TestKeyWithAnAlgorithmFitsOnlyThat(t *testing.T) {
	for _, sample := range sampleKeys(t) {
		key, err := ParseKey(sample.jwk)
		if err != nil {
			t.Fatal(err)
		}
		for _, own := range sample.algorithms {
			key.Algorithm = own
			for _, alg := range sample.algorithms {
				fits := alg == own || sample.name == "Ed25519" // EdDSA and Ed25519 are one algorithm
				if err := key.Fits(alg); (err == nil) != fits || err != nil && !errors.Is(err, ErrAlgorithm) {
					t.Errorf("%s for %s with %s: %v", sample.name, own, alg, err)
				}
			}
		}
	}
}

func TestNothingFitsAnUnknownKey(t *testing.T) {
	for _, key := range []*Key{{}, {Public: "text"}, {Public: &ecdsa.PublicKey{Curve: elliptic.P224()}}, {Public: &ecdsa.PublicKey{}}} {
		for _, alg := range Algorithms() {
			if err := key.Verify(alg, "a.b", make([]byte, 64)); !errors.Is(err, ErrAlgorithm) {
				t.Errorf("%T with %s: %v", key.Public, alg, err)
			}
		}
	}
}
