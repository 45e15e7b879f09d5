// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package enforcement

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// hot is a rig as it is in service: one policy on, as Entra's guide has it,
// the log kept by the hour; and requests of a known device, each with a proof
// of its own.
type hot struct {
	*rig
	request     *Request
	accessToken string
	proofs      []string
	next        int
}

func newHot(t testing.TB, requests int) *hot {
	t.Helper()
	p := rule("Require token protection", policy.On, includeGroup, excludeGroup, onlyWindows)
	h := &hot{rig: newRig(t, []policy.Policy{p}, func(s *setup) { s.maxEntries, s.maxPerKey = 1<<20, 1<<20 })}
	h.Log = signin.New(signin.Config{Interval: time.Hour, Sink: func(signin.Record) {}, Now: h.Now})
	h.accessToken = mint(members{"groups": []string{"everybody", "pilot"}})
	for i := range requests + 2 {
		h.proofs = append(h.proofs, laptop.prove(h.accessToken, members{"jti": fmt.Sprintf("proof-%08d", i)}))
	}
	h.request = get("DPoP "+h.accessToken, h.proofs[0])
	h.enforce(t)
	return h
}

// enforce takes the next request through.
func (h *hot) enforce(t testing.TB) {
	h.request.HTTP.Header["Dpop"][0] = h.proofs[h.next]
	h.next++
	if d := h.Enforce(h.request); !d.Allow || !d.Bound {
		t.Fatalf("allow %v, %q", d.Allow, d.Reason)
	}
}

// floor is what cannot be avoided: the hash of the token and the device key's
// signature.
func (h *hot) floor(t testing.TB) func() {
	accessToken := []byte(h.accessToken)
	compact, err := jose.Split(h.proofs[0], len(h.proofs[0]))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := jose.Decode(compact.Signature)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		digest = sha256.Sum256(accessToken)
		if err := laptop.key.Verify(jose.ES256, compact.SigningInput, signature); err != nil {
			panic(err)
		}
	}
}

var digest [sha256.Size]byte // so that the hash is not optimised away

// BenchmarkEnforceHot is one request of a known device with a known token,
// from framing to the sign-in log, beside its floor.
func BenchmarkEnforceHot(b *testing.B) {
	b.Run("enforce", func(b *testing.B) {
		h := newHot(b, b.N)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			h.enforce(b)
		}
	})
	b.Run("floor", func(b *testing.B) {
		floor := newHot(b, 1).floor(b)
		b.ReportAllocs()
		for b.Loop() {
			floor()
		}
	})
}

// BenchmarkRefuse shows that refusals cost less than what they refuse.
func BenchmarkRefuse(b *testing.B) {
	h := newHot(b, 1)
	for name, r := range map[string]*Request{
		"replay":        h.request,
		"another key":   get("DPoP "+h.accessToken, thief.prove(h.accessToken)),
		"no credential": get(""),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if h.Enforce(r).Allow {
					b.Fatal("allowed")
				}
			}
		})
	}
}

func TestReadingTheCredentialAllocatesNothing(t *testing.T) {
	h := newHot(t, 1)
	if n := testing.AllocsPerRun(100, func() { _, _ = credentialOf(h.request.HTTP) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Design, section 4, "The hot path allocates little". Not under the race
// detector, which makes sync.Pool forget at random.
func TestTheHotPathAllocatesLittle(t *testing.T) {
	const runs, allowed = 200, 4 // the decision, the jti, and room for the replay set to grow
	h := newHot(t, runs)
	floor := testing.AllocsPerRun(runs, h.floor(t))
	whole := testing.AllocsPerRun(runs, func() { h.enforce(t) })
	if whole-floor > allowed {
		t.Errorf("%v allocations, of which %v are the signature's; want at most %d more", whole, floor, allowed)
	}
}

// BenchmarkCredential is the look at the Authorization header, which is as long as its token.
func BenchmarkCredential(b *testing.B) {
	h := newHot(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, why := credentialOf(h.request.HTTP); why != reason.None {
			b.Fatal(why)
		}
	}
}
