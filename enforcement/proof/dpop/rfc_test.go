// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// example is one proof from the figures of RFC 9449.
type example struct {
	Name        string  `json:"name"`
	Proof       string  `json:"proof"`
	Method      string  `json:"method"`
	URL         string  `json:"url"`
	AccessToken *string `json:"access_token"`
	ValidAt     int64   `json:"valid_at_unix"`
}

func examples(t *testing.T) (thumbprint jose.Thumbprint, proofs []example) {
	t.Helper()
	document, err := os.ReadFile("testdata/rfc9449.json")
	if err != nil {
		t.Fatal(err)
	}
	var figures struct {
		JKT    string          `json:"jkt"`
		JWK    json.RawMessage `json:"public_jwk"`
		Token  string          `json:"access_token_opaque"`
		ATH    string          `json:"ath"`
		Proofs []example       `json:"proofs"`
	}
	if err := json.Unmarshal(document, &figures); err != nil {
		t.Fatal(err)
	}
	key, err := jose.ParseKey(figures.JWK)
	if err != nil {
		t.Fatal(err)
	}
	if key.Thumbprint.String() != figures.JKT {
		t.Errorf("thumbprint %s, the RFC says %s", key.Thumbprint, figures.JKT)
	}
	if hash := sha256.Sum256([]byte(figures.Token)); encode(hash[:]) != figures.ATH {
		t.Errorf("ath %s, the RFC says %s", encode(hash[:]), figures.ATH)
	}
	return key.Thumbprint, figures.Proofs
}

// RFC 9449, figures 2, 6 and 13. The proofs for the token endpoint carry no
// ath, without which nothing is proven at a resource.
func TestTheRFCsOwnExamples(t *testing.T) {
	thumbprint, proofs := examples(t)
	accepted := 0
	for _, e := range proofs {
		t.Run(e.Name, func(t *testing.T) {
			at := time.Unix(e.ValidAt, 0)
			b := newRig(t, func(c *Config) { c.Replay = replaySince(t, at.Add(-time.Hour)) })
			u, err := target.Parse(e.URL)
			if err != nil {
				t.Fatal(err)
			}
			r := &Request{Headers: []string{e.Proof}, Method: e.Method, URL: u, Confirmed: &thumbprint}
			if e.AccessToken == nil {
				if _, why := b.Verify(r, at); why != reason.ProofMalformed {
					t.Errorf("a proof for the token endpoint: got %q, want %q", why, reason.ProofMalformed)
				}
				return
			}
			accepted++
			r.Token = sha256.Sum256([]byte(*e.AccessToken))
			if _, why := b.Verify(r, at); why != reason.None {
				t.Errorf("refused: %q", why)
			}
			if _, why := b.Verify(r, at.Add(maxAge+time.Second)); why != reason.ProofTime {
				t.Errorf("a minute later: got %q, want %q", why, reason.ProofTime)
			}
			header, rest, _ := strings.Cut(e.Proof, ".")
			payload, signature, _ := strings.Cut(rest, ".")
			claims, err := jose.Decode(payload)
			if err != nil {
				t.Fatal(err)
			}
			tampered := strings.Replace(string(claims), "e1j3V", "f1j3V", 1)
			r.Headers = []string{header + "." + encode([]byte(tampered)) + "." + signature}
			if _, why := b.Verify(r, at); why != reason.ProofSignature {
				t.Errorf("tampered with: got %q, want %q", why, reason.ProofSignature)
			}
		})
	}
	if accepted != 1 {
		t.Errorf("%d examples for a resource, want 1", accepted)
	}
}
