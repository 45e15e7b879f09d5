// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// RFC 7638, section 3.1; RFC 8037, appendix A.3; RFC 9449, section 6.1.
func TestThumbprintOfThePublishedKeys(t *testing.T) {
	data, err := os.ReadFile("testdata/rfc7638.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Name       string
			JWK        json.RawMessage
			Thumbprint string
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) != 3 {
		t.Errorf("%d vectors, expected 3", len(file.Vectors))
	}
	for _, vector := range file.Vectors {
		key, err := ParseKey(vector.JWK)
		if err != nil {
			t.Errorf("%s: %v", vector.Name, err)
			continue
		}
		if got := key.Thumbprint.String(); got != vector.Thumbprint {
			t.Errorf("%s: got %s, want %s", vector.Name, got, vector.Thumbprint)
		}
		parsed, err := ParseThumbprint(vector.Thumbprint)
		if err != nil || !parsed.Equal(key.Thumbprint) {
			t.Errorf("%s: parsed as %v, %v", vector.Name, parsed, err)
		}
	}
}

func TestThumbprintIgnoresWhatIsNotRequired(t *testing.T) {
	for _, sample := range sampleKeys(t) {
		plain, err := ParseKey(sample.jwk)
		if err != nil {
			t.Fatal(err)
		}
		adorned, err := ParseKey(with(t, sample.jwk, map[string]any{"kid": "k", "use": "sig", "alg": sample.algorithms[0], "ext": true}))
		if err != nil {
			t.Fatal(err)
		}
		if !plain.Thumbprint.Equal(adorned.Thumbprint) {
			t.Errorf("%s: %v and %v", sample.name, plain.Thumbprint, adorned.Thumbprint)
		}
	}
}

func TestParseThumbprintRefuses(t *testing.T) {
	const sound = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	for name, text := range map[string]string{
		"nothing": "", "a character less": sound[:42], "a character more": sound + "A", "padding": sound + "=",
		"stray bits": sound[:42] + "J", "plain base64": sound[:42] + "/", "a line break": sound[:41] + "\nI", "a period": sound[:42] + ".",
		"a URN": "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + sound,
	} {
		if got, err := ParseThumbprint(text); !errors.Is(err, ErrThumbprint) || got != (Thumbprint{}) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestThumbprintsDiffer(t *testing.T) {
	var a, b Thumbprint
	if !a.Equal(b) {
		t.Error("equal thumbprints differ")
	}
	for i := range b {
		b[i] = 1
		if a.Equal(b) {
			t.Errorf("octet %d is not compared", i)
		}
		b[i] = 0
	}
}
