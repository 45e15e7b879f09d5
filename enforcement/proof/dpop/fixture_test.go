// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dpop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

const (
	maxAge    = 60 * time.Second
	clockSkew = 15 * time.Second
	nonceLife = 120 * time.Second

	sampleToken = "an.access.token"
	sampleURL   = "https://mail.contoso.example/api/me"
)

var (
	noon   = time.Unix(1_700_000_000, 0)
	secret = []byte("sixteen bytes or")
)

// device is a key pair and its JWK.
type device struct {
	private crypto.Signer
	method  jwt.SigningMethod
	jwk     map[string]any
	key     *jose.Key
}

// deviceOf returns the P-256 device whose private key is seed, 32 times.
func deviceOf(t testing.TB, seed byte) *device {
	t.Helper()
	scalar := make([]byte, 32)
	for i := range scalar {
		scalar[i] = seed
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return newDevice(t, private, jwt.SigningMethodES256, map[string]any{
		"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:]),
	})
}

func newDevice(t testing.TB, private crypto.Signer, method jwt.SigningMethod, jwk map[string]any) *device {
	t.Helper()
	key, err := jose.ParseKey(marshal(t, jwk))
	if err != nil {
		t.Fatal(err)
	}
	return &device{private: private, method: method, jwk: jwk, key: key}
}

// header and claims return those of a good proof, to be spoiled.
func (d *device) header() map[string]any {
	return map[string]any{"typ": "dpop+jwt", "alg": d.method.Alg(), "jwk": d.jwk}
}

func (d *device) claims() map[string]any {
	hash := sha256.Sum256([]byte(sampleToken))
	return map[string]any{
		"jti": "e1j3V_bKic8-LAEB", "htm": "GET", "htu": sampleURL, "iat": noon.Unix(), "ath": encode(hash[:]),
	}
}

// sign returns a proof with this header and payload, whatever they are.
func (d *device) sign(t testing.TB, header, payload []byte) string {
	t.Helper()
	input := encode(header) + "." + encode(payload)
	signature, err := d.method.Sign(input, d.private)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(signature)
}

// proof returns a good proof with some claims changed; nil removes one.
func (d *device) proof(t testing.TB, changes map[string]any) string {
	t.Helper()
	return d.sign(t, marshal(t, d.header()), marshal(t, with(d.claims(), changes)))
}

// proofWithHeader is the same for the header.
func (d *device) proofWithHeader(t testing.TB, changes map[string]any) string {
	t.Helper()
	return d.sign(t, marshal(t, with(d.header(), changes)), marshal(t, d.claims()))
}

func with(members, changes map[string]any) map[string]any {
	for name, value := range changes {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	return members
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func encode(octets []byte) string { return base64.RawURLEncoding.EncodeToString(octets) }

// rig is a verifier with everything it stands on. Its replay set began to
// remember an hour ago.
type rig struct {
	*Verifier
	t testing.TB
}

func newRig(t testing.TB, edits ...func(*Config)) *rig {
	t.Helper()
	nonces, err := nonce.New("dpop", nonceLife, secret)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := NewKeyCache(100)
	if err != nil {
		t.Fatal(err)
	}
	config := Config{MaxAge: maxAge, ClockSkew: clockSkew, Nonces: nonces, Replay: replaySince(t, noon.Add(-time.Hour)), Keys: keys}
	for _, edit := range edits {
		edit(&config)
	}
	verifier, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{Verifier: verifier, t: t}
}

func replaySince(t testing.TB, start time.Time) *cache.Replay {
	t.Helper()
	replay, err := cache.NewReplay(cache.ReplayConfig{
		MaxEntries: 1000, MaxPerKey: 100, Lifetime: proof.Lifetime(maxAge, clockSkew), Start: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	return replay
}

// request is the request that the device's good proof is for.
func request(t testing.TB, d *device, proofs ...string) *Request {
	t.Helper()
	u, err := target.Parse(sampleURL)
	if err != nil {
		t.Fatal(err)
	}
	return &Request{
		Headers: proofs, Method: "GET", URL: u, Token: sha256.Sum256([]byte(sampleToken)), Confirmed: &d.key.Thumbprint,
	}
}

// judge verifies twice, with a cold key cache and with one that has seen a
// good proof with the same header, and insists on the same verdict.
func (b *rig) judge(r *Request) (proof.Binding, reason.Reason) {
	b.t.Helper()
	cold, coldWhy := b.Verify(r, noon)
	warmUp(b, r)
	warm, warmWhy := b.Verify(r, noon)
	if cold != warm || coldWhy != warmWhy {
		b.t.Errorf("cold cache: %v %+v, warm cache: %v %+v", coldWhy, cold, warmWhy, warm)
	}
	return cold, coldWhy
}

// warmUp puts the key of the request's proof into the cache, as a good proof
// of the same device would.
func warmUp(b *rig, r *Request) {
	if len(r.Headers) != 1 {
		return
	}
	compact, err := jose.Split(r.Headers[0], MaxSize)
	if err != nil {
		return
	}
	if device, known, why := b.deviceKey(compact.Header); why == reason.None && !known {
		b.Keys.add(compact.Header, device)
	}
}

// expect fails the test unless the proof gets this verdict.
func (b *rig) expect(r *Request, want reason.Reason) {
	b.t.Helper()
	binding, why := b.judge(r)
	switch {
	case why != want:
		b.t.Errorf("got %q, want %q", why, want)
	case why == reason.None && (binding.Scheme != proof.DPoP || binding.Key != *r.Confirmed || binding.ID == ""):
		b.t.Errorf("accepted, but the binding is %+v", binding)
	}
}
