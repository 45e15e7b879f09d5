// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package pop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
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
	sampleToken = "an.access.token"
	sampleURL   = "https://mail.contoso.example/api/x"
	sampleID    = "81da490f46c3494eba8c6e25a45a4d0f" // a GUID as MSAL.NET makes it
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
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte(strings.Repeat(string(rune(seed)), 32)))
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

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// rsaDevice returns the device with the test run's RSA key.
func rsaDevice(t testing.TB, method jwt.SigningMethod) *device {
	t.Helper()
	private, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return newDevice(t, private, method, map[string]any{
		"kty": "RSA", "n": encode(private.N.Bytes()), "e": encode(big.NewInt(int64(private.E)).Bytes()),
	})
}

func edwardsDevice(t testing.TB) *device {
	t.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	return newDevice(t, private, jwt.SigningMethodEdDSA, map[string]any{
		"kty": "OKP", "crv": "Ed25519", "x": encode(private.Public().(ed25519.PublicKey)),
	})
}

// ps256 is PSS with a salt as long as the hash (RFC 7518, section 3.5).
var ps256 = saltedAsHash{jwt.SigningMethodPS256}

type saltedAsHash struct{ *jwt.SigningMethodRSAPSS }

func (m saltedAsHash) Sign(input string, key any) ([]byte, error) {
	strict := *m.SigningMethodRSAPSS
	strict.Options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return strict.Sign(input, key)
}

func newDevice(t testing.TB, private crypto.Signer, method jwt.SigningMethod, jwk map[string]any) *device {
	t.Helper()
	key, err := jose.ParseKey(marshal(t, jwk))
	if err != nil {
		t.Fatal(err)
	}
	return &device{private: private, method: method, jwk: jwk, key: key}
}

// header and claims return those of a good signed request, to be spoiled.
func (d *device) header() map[string]any {
	return map[string]any{"typ": "pop", "alg": d.method.Alg(), "kid": d.key.Thumbprint.String()}
}

func (d *device) claims() map[string]any {
	return map[string]any{
		"at": sampleToken, "ts": noon.Unix(), "m": "GET", "u": "mail.contoso.example", "p": "/api/x",
		"nonce": sampleID, "cnf": map[string]any{"jwk": d.jwk},
	}
}

// sign returns a signed request with this header and payload, whatever they are.
func (d *device) sign(t testing.TB, header, payload []byte) string {
	t.Helper()
	input := encode(header) + "." + encode(payload)
	signature, err := d.method.Sign(input, d.private)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(signature)
}

// shr returns a good signed request with some claims changed; nil removes one.
func (d *device) shr(t testing.TB, changes map[string]any) string {
	t.Helper()
	return d.sign(t, marshal(t, d.header()), marshal(t, with(d.claims(), changes)))
}

// shrWithHeader is the same for the header.
func (d *device) shrWithHeader(t testing.TB, changes map[string]any) string {
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

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return encode(sum[:])
}

// covers is the value of q or h.
func covers(hash string, names ...string) []any {
	if names == nil {
		names = []string{}
	}
	return []any{names, hash}
}

// bench is a verifier with everything it stands on. Its replay set began to
// remember an hour ago.
type bench struct {
	*Verifier
	t testing.TB
}

func newBench(t testing.TB, edits ...func(*Config)) *bench {
	t.Helper()
	nonces, err := nonce.New("pop", 120*time.Second, secret)
	if err != nil {
		t.Fatal(err)
	}
	config := Config{ClockSkew: DefaultClockSkew, Nonces: nonces, Replay: replaySince(t, noon.Add(-time.Hour))}
	for _, edit := range edits {
		edit(&config)
	}
	verifier, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Verifier: verifier, t: t}
}

func microsoft(c *Config)    { c.Microsoft = true }
func requireNonce(c *Config) { c.RequireNonce = true }

func demanding(d Demand) func(*Config) { return func(c *Config) { c.Demand = d } }

func replaySince(t testing.TB, start time.Time) *cache.Replay {
	t.Helper()
	replay, err := cache.NewReplay(cache.ReplayConfig{
		MaxEntries: 1000, MaxPerKey: 100, Lifetime: proof.Lifetime(DefaultMaxAge, DefaultClockSkew), Start: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	return replay
}

// request is the request that the device's good signed request is for.
func request(t testing.TB, d *device) *Request {
	t.Helper()
	return requestTo(t, d, sampleURL)
}

func requestTo(t testing.TB, d *device, url string) *Request {
	t.Helper()
	u, err := target.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(url, "?")
	return &Request{Context: t.Context(), Method: "GET", URL: u, RawQuery: query, Header: http.Header{}, Confirmed: &d.key.Thumbprint}
}

// withBody gives the request a body of unknown length.
func (r *Request) withBody(body io.Reader) *Request {
	closer := io.NopCloser(body)
	r.Body, r.ContentLength = &closer, -1
	return r
}

// judge takes a credential the whole way.
func (b *bench) judge(credential string, r *Request) (proof.Binding, reason.Reason) {
	b.t.Helper()
	s, why := Parse(credential)
	if why != reason.None {
		return proof.Binding{}, why
	}
	return b.Verify(s, r, noon)
}

// expect fails the test unless the signed request gets this verdict.
func (b *bench) expect(credential string, r *Request, want reason.Reason) {
	b.t.Helper()
	binding, why := b.judge(credential, r)
	switch {
	case why != want:
		b.t.Errorf("got %q, want %q", why, want)
	case why == reason.None && (binding.Scheme != proof.PoP || binding.Key != *r.Confirmed || binding.ID == ""):
		b.t.Errorf("accepted, but the binding is %+v", binding)
	}
}
