// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// A signed request that is refused before its signature is looked at costs
// little memory: what is unpacked of it, the key and nothing else.
func TestCheapRefusalsAllocateLittle(t *testing.T) {
	d := rsaDevice(t, jwt.SigningMethodRS256)
	b, r := newBench(t), request(t, d)
	for name, c := range map[string]struct {
		shr   string
		want  reason.Reason
		limit float64
	}{
		"four parts":   {"e30.e30.e30.e30", reason.ProofMalformed, 5},
		"wrong type":   {d.shrWithHeader(t, map[string]any{"typ": "JWT"}), reason.ProofType, 12},
		"another path": {d.shr(t, map[string]any{"p": "/api/y"}), reason.ProofURL, 40},
	} {
		allocations := testing.AllocsPerRun(100, func() {
			s, why := Parse(c.shr)
			if why == reason.None {
				_, why = b.Verify(s, r, noon)
			}
			if why != c.want {
				t.Fatalf("%s: %q", name, why)
			}
		})
		if allocations > c.limit {
			t.Errorf("%s: %v allocations, at most %v", name, allocations, c.limit)
		}
	}
}

func BenchmarkSignedRequest(b *testing.B) {
	for name, d := range map[string]*device{
		"RS256": rsaDevice(b, jwt.SigningMethodRS256), "PS256": rsaDevice(b, ps256), "ES256": deviceOf(b, 1),
	} {
		shr, bench, r := d.shr(b, nil), newBench(b), request(b, d)
		b.Run(name+"/parse", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, why := Parse(shr); why != reason.None {
					b.Fatal(why)
				}
			}
		})
		s, _ := Parse(shr)
		b.Run(name+"/key", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, why := s.claims.key(d.key.Algorithm); why == reason.ProofKey {
					b.Fatal(why)
				}
			}
		})
		b.Run(name+"/verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, why := bench.Verify(s, r, noon); why != reason.None {
					b.Fatal(why)
				}
			}
		})
	}
}
