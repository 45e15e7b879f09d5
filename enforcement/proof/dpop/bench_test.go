// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package dpop

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// hashed says what was verified, and keeps the compiler from leaving it out.
var hashed [sha256.Size]byte

// BenchmarkVerify shows what the checks cost beside the one thing that is not
// avoidable: the device key's signature and the hash of the token.
func BenchmarkVerify(b *testing.B) {
	d := deviceOf(b, 1)
	g := newRig(b)
	r := request(b, d, d.proof(b, nil))
	b.Run("proof", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, why := g.Verify(r, noon); why != reason.None {
				b.Fatal(why)
			}
		}
	})
	b.Run("signature alone", func(b *testing.B) {
		verify := signatureAlone(b, d, r)
		b.ReportAllocs()
		for b.Loop() {
			verify()
		}
	})
}

func signatureAlone(t testing.TB, d *device, r *Request) func() {
	compact, err := jose.Split(r.Headers[0], MaxSize)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := jose.Decode(compact.Signature)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		hashed = sha256.Sum256([]byte(sampleToken))
		if err := d.key.Verify(jose.ES256, compact.SigningInput, signature); err != nil {
			panic(fmt.Sprint("the good proof's signature: ", err))
		}
	}
}

// Design, section 10: beside the signature a proof of a known device costs one
// allocation, its jti. Not under the race detector, which makes sync.Pool
// forget at random.
func TestVerifyingAllocatesLittle(t *testing.T) {
	d := deviceOf(t, 1)
	b := newRig(t)
	r := request(t, d, d.proof(t, nil))
	verify := signatureAlone(t, d, r)
	floor := testing.AllocsPerRun(100, verify)
	whole := testing.AllocsPerRun(100, func() { b.Verify(r, noon) })
	if whole-floor > 1 {
		t.Errorf("%v allocations, of which the signature is %v; want at most one more", whole, floor)
	}
}
