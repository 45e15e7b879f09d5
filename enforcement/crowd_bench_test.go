// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package enforcement

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dpop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// crowd is a rig that knows many devices, each of which has spent one proof.
// What is kept of all of them does not fit into a processor's caches, as it
// would not beside the proxy's own work.
func crowd(t testing.TB, size int) (*rig, []*Request) {
	t.Helper()
	g := newRig(t, []policy.Policy{rule("Require token protection", policy.On, includeGroup, excludeGroup, onlyWindows)}, func(s *setup) {
		s.maxEntries, s.maxPerKey = 1<<20, 1<<20
		issuer := ok(token.NewIssuer(token.IssuerConfig{Issuer: issuerName}, s.keys))(t)
		s.Tokens = ok(token.NewVerifier([]*token.Issuer{issuer}, ok(token.NewCache(size))(t), clockSkew))(t)
	})
	config := g.DPoP.Config
	config.Keys = ok(dpop.NewKeyCache(size))(t)
	config.Nonces = ok(nonce.New("dpop", 2*time.Minute, secret))(t)
	g.DPoP = ok(dpop.New(config))(t)
	g.Log = signin.New(signin.Config{Interval: time.Hour, MaxKinds: 2*size + 2, Sink: func(signin.Record) {}, Now: g.Now})
	requests := make([]*Request, size)
	for i := range requests {
		device := newSigner(t)
		accessToken := mint(members{
			"jti": fmt.Sprintf("token-%d", i), "oid": fmt.Sprintf("id-of-user-%d", i), "deviceid": fmt.Sprintf("device-%d", i),
			"groups": []string{"everybody", "pilot"}, "cnf": members{"jkt": device.key.Thumbprint.String()},
		})
		requests[i] = get("DPoP "+accessToken, device.prove(accessToken))
		g.allows(requests[i], reason.None)
	}
	return g, requests
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	private := ok(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	point := ok(private.PublicKey.Bytes())(t)
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
	return &signer{private: private, jwk: jwk, key: ok(jose.ParseKey(ok(json.Marshal(jwk))(t)))(t)}
}

// BenchmarkCrowd is what a request costs besides its signature, which is not
// checked because the proof was spent before, with cold caches.
func BenchmarkCrowd(b *testing.B) {
	for _, size := range []int{1, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			g, requests := crowd(b, size)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if d := g.Enforce(requests[i%size]); d.Reason != reason.ProofReplayed {
					b.Fatal(d.Reason)
				}
			}
		})
	}
}
