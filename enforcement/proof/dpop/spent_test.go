// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// spoiled are proofs that fail one check each, the signature's among them.
func spoiled(t *testing.T, d *device) map[string]string {
	t.Helper()
	forged := *deviceOf(t, 9)
	forged.jwk = d.jwk
	return map[string]string{
		"method":    d.proof(t, map[string]any{"htm": "POST"}),
		"URL":       d.proof(t, map[string]any{"htu": "https://evil.example/"}),
		"token":     d.proof(t, map[string]any{"ath": "x"}),
		"time":      d.proof(t, map[string]any{"iat": 1}),
		"claims":    d.proof(t, map[string]any{"iat": nil}),
		"type":      d.proofWithHeader(t, map[string]any{"typ": "jwt"}),
		"signature": forged.proof(t, nil),
	}
}

// Performance: the key cache is filled only by valid signatures of confirmed
// keys, so that junk cannot push devices out.
func TestRefusedProofsAreNeitherCachedNorSpent(t *testing.T) {
	d := deviceOf(t, 1)
	for name, proof := range spoiled(t, d) {
		t.Run(name, func(t *testing.T) {
			b := newRig(t)
			if _, why := b.Verify(request(t, d, proof), noon); why == reason.None {
				t.Fatal("accepted")
			}
			if b.Keys.Len() != 0 {
				t.Error("the key was cached")
			}
			if entries := b.Replay.Stats().Entries; entries != 0 {
				t.Errorf("%d proofs were spent", entries)
			}
			b.expect(request(t, d, d.proof(t, nil)), reason.None) // with the same jti
		})
	}
	t.Run("the thief's key", func(t *testing.T) {
		b, thief := newRig(t), deviceOf(t, 2)
		if _, why := b.Verify(request(t, d, thief.proof(t, nil)), noon); why != reason.KeyMismatch {
			t.Errorf("got %q, want %q", why, reason.KeyMismatch)
		}
		if b.Keys.Len() != 0 {
			t.Error("the key was cached")
		}
	})
}

// Verifying spends nothing: the enforcer does, when it lets the request pass.
func TestVerifyingSpendsNothing(t *testing.T) {
	d := deviceOf(t, 1)
	b := newRig(t)
	r := request(t, d, d.proof(t, nil))
	for range 3 {
		b.expect(r, reason.None)
	}
	if entries := b.Replay.Stats().Entries; entries != 0 {
		t.Errorf("%d proofs were spent", entries)
	}
}

// Contract, "Matching": replay identity is key and jti, never the text.
func TestASpentProofIsRefusedInEverySpelling(t *testing.T) {
	d := deviceOf(t, 1)
	b := newRig(t)
	spend(t, b, d, request(t, d, d.proof(t, nil)))
	for name, proof := range map[string]string{
		"as it was":            d.proof(t, nil),
		"signed again, later":  d.proof(t, map[string]any{"iat": noon.Unix() + 1}),
		"another claim":        d.proof(t, map[string]any{"x": 1}),
		"another URL spelling": d.proof(t, map[string]any{"htu": sampleURL + "?"}),
		"another header":       d.proofWithHeader(t, map[string]any{"kid": "x"}),
		"an escaped jti":       d.sign(t, marshal(t, d.header()), []byte(strings.Replace(string(marshal(t, d.claims())), `"e1j3V`, `"\u00651j3V`, 1))),
	} {
		t.Run(name, func(t *testing.T) { b.expect(request(t, d, proof), reason.ProofReplayed) })
	}
	b.expect(request(t, d, d.proof(t, map[string]any{"jti": "another"})), reason.None)
	other := deviceOf(t, 2)
	b.expect(request(t, other, other.proof(t, nil)), reason.None) // the same jti of another key
}

// A replay is recognised before its signature costs anything.
func TestAReplayIsRefusedBeforeItsSignatureIsLookedAt(t *testing.T) {
	d := deviceOf(t, 1)
	b := newRig(t)
	spend(t, b, d, request(t, d, d.proof(t, nil)))
	forged := *deviceOf(t, 2)
	forged.jwk = d.jwk
	b.expect(request(t, d, forged.proof(t, nil)), reason.ProofReplayed)
}

func TestCachesTheKeyOfAnAcceptedProofOnce(t *testing.T) {
	d := deviceOf(t, 1)
	b := newRig(t)
	for i := range 3 {
		if _, why := b.Verify(request(t, d, d.proof(t, nil)), noon); why != reason.None {
			t.Fatalf("refused: %q", why)
		}
		if b.Keys.Len() != 1 {
			t.Errorf("%d keys cached after %d proofs, want 1", b.Keys.Len(), i+1)
		}
	}
	if stats := b.Keys.Stats(); stats.Hits != 2 || stats.Misses != 1 {
		t.Errorf("%+v, want 2 hits and 1 miss", stats)
	}
}

// A cached key still verifies every signature.
func TestACachedKeyExcusesNoSignature(t *testing.T) {
	d := deviceOf(t, 1)
	b := newRig(t)
	b.expect(request(t, d, d.proof(t, nil)), reason.None)
	forged := *deviceOf(t, 2)
	forged.jwk = d.jwk
	b.expect(request(t, d, forged.proof(t, map[string]any{"jti": "another"})), reason.ProofSignature)
}

// A header as long as the proof may be would make the cache's bound on
// entries no bound on memory.
func TestALargeHeaderIsAcceptedButNotCached(t *testing.T) {
	d := deviceOf(t, 1)
	b := newRig(t)
	for _, pad := range []int{1000, 2000} {
		proof := d.proofWithHeader(t, map[string]any{"x": strings.Repeat("x", pad)})
		if _, why := b.Verify(request(t, d, proof), noon); why != reason.None {
			t.Errorf("refused: %q", why)
		}
		if b.Keys.Len() != 1 {
			t.Errorf("%d keys cached, want only that of the smaller header", b.Keys.Len())
		}
	}
}

func TestLifetimeCoversEveryMomentOfAcceptance(t *testing.T) {
	// Made by a clock that is the skew ahead, accepted at once, and still
	// acceptable until the skew plus maxAge later; by a node whose clock is
	// behind by the skew too.
	if got, want := proof.Lifetime(maxAge, clockSkew), maxAge+2*clockSkew+time.Second; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	d := deviceOf(t, 1)
	b := newRig(t)
	r := request(t, d, d.proof(t, map[string]any{"iat": noon.Add(clockSkew).Unix()}))
	spend(t, b, d, r)
	for at := noon; at.Before(noon.Add(5 * time.Minute)); at = at.Add(time.Second) {
		if _, why := b.Verify(r, at); why != reason.ProofReplayed && why != reason.ProofTime {
			t.Fatalf("%v later: %q", at.Sub(noon), why)
		}
	}
}

func TestRefusesAnIncompleteConfiguration(t *testing.T) {
	good := newRig(t).Config
	for name, edit := range map[string]func(*Config){
		"no max age":       func(c *Config) { c.MaxAge = 0 },
		"negative max age": func(c *Config) { c.MaxAge = -time.Second },
		"negative skew":    func(c *Config) { c.ClockSkew = -1 },
		"no nonces":        func(c *Config) { c.Nonces = (*nonce.Source)(nil) },
		"no replay set":    func(c *Config) { c.Replay = nil },
		"no key cache":     func(c *Config) { c.Keys = nil },
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			edit(&config)
			if v, err := New(config); err == nil || v != nil {
				t.Errorf("got %v, %v; want an error", v, err)
			}
		})
	}
	good.Algorithms, good.ClockSkew = nil, 0
	v, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Algorithms) != len(jose.Algorithms()) {
		t.Errorf("%d algorithms by default, want all %d", len(v.Algorithms), len(jose.Algorithms()))
	}
}
