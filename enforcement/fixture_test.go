// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dpop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/mtls"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/pop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin/schematest"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

const (
	maxAge    = 60 * time.Second
	clockSkew = 15 * time.Second

	issuerName = "https://sts.contoso.example"
	audience   = "https://mail.contoso.example"
	sampleURL  = audience + "/api/me"

	windows = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0)"
	linux   = "Thunderbird (X11; Linux x86_64)"
)

var (
	noon   = time.Unix(1_700_000_000, 0)
	secret = []byte("sixteen bytes or")

	issuer = signerOf(200)
	laptop = signerOf(1)
	thief  = signerOf(2)
)

// signer is a P-256 key that signs tokens or proofs.
type signer struct {
	private *ecdsa.PrivateKey
	jwk     map[string]any
	key     *jose.Key
}

// signerOf returns the signer whose private key is seed, 32 times.
func signerOf(seed byte) *signer {
	scalar := make([]byte, 32)
	for i := range scalar {
		scalar[i] = seed
	}
	private := must(ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar))
	point := must(private.PublicKey.Bytes())
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
	return &signer{private: private, jwk: jwk, key: must(jose.ParseKey(must(json.Marshal(jwk))))}
}

// must is for what cannot fail with the constants of this file.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func (s *signer) sign(header, claims map[string]any) string {
	input := encode(must(json.Marshal(header))) + "." + encode(must(json.Marshal(claims)))
	return input + "." + encode(must(jwt.SigningMethodES256.Sign(input, s.private)))
}

func encode(octets []byte) string { return base64.RawURLEncoding.EncodeToString(octets) }

// members are changes to claims or to a header; nil removes one.
type members = map[string]any

func with(base members, changes ...members) members {
	for _, change := range changes {
		for name, value := range change {
			if base[name] = value; value == nil {
				delete(base, name)
			}
		}
	}
	return base
}

// mint issues an access token for Ann that is bound to her laptop.
func mint(changes ...members) string {
	return issuer.sign(members{"typ": "at+jwt", "alg": "ES256", "kid": "2026"}, with(members{
		"iss": issuerName, "aud": audience, "iat": noon.Unix() - 60, "exp": noon.Unix() + 3600, "jti": "token-1",
		"oid": "id-of-ann", "upn": "ann@contoso.example", "appid": "outlook", "deviceid": "device-1",
		"cnf": members{"jkt": laptop.key.Thumbprint.String()},
	}, changes...))
}

// unbound removes the confirmation.
var unbound = members{"cnf": nil}

// prove returns a proof for the sample request with this token.
func (s *signer) prove(accessToken string, changes ...members) string {
	hash := sha256.Sum256([]byte(accessToken))
	return s.sign(members{"typ": "dpop+jwt", "alg": "ES256", "jwk": s.jwk}, with(members{
		"jti": "proof-1", "htm": "GET", "htu": sampleURL, "iat": noon.Unix(), "ath": encode(hash[:]),
	}, changes...))
}

// signRequest returns a signed HTTP request for the sample request with this
// token in it.
func (s *signer) signRequest(accessToken string, changes ...members) string {
	return s.sign(members{"typ": "pop", "alg": "ES256", "kid": s.key.Thumbprint.String()}, with(members{
		"at": accessToken, "ts": noon.Unix(), "m": "GET", "u": "mail.contoso.example", "p": "/api/me",
		"nonce": "request-1", "cnf": members{"jwk": s.jwk},
	}, changes...))
}

// certificate returns a client certificate for the key, from the issuer of
// device certificates.
func (s *signer) certificate(edits ...func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "device-1"},
		NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, edit := range edits {
		edit(template)
	}
	authority := authority()
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, authority, &s.private.PublicKey, issuer.private))))
}

// authority is the issuer of device certificates.
var authority = sync.OnceValue(func() *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Device CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, &issuer.private.PublicKey, issuer.private))))
})

// over makes the request come over a TLS connection whose client has presented
// the certificate.
func (r *Request) over(certificate *x509.Certificate) *Request {
	r.HTTP.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{certificate}}
	return r
}

// request returns a request from Windows without any credential.
func request(method, url string, body io.Reader) *Request {
	r := httptest.NewRequest(method, url, body)
	r.Header.Set("User-Agent", windows)
	u, err := target.New("https", r.Host, r.URL.EscapedPath())
	if err != nil {
		u = target.URL{}
	}
	return &Request{HTTP: r, URL: u, SentPath: r.URL.EscapedPath(), Address: "192.0.2.7"}
}

// get returns the sample request with a credential and proofs.
func get(authorization string, proofs ...string) *Request {
	r := request("GET", sampleURL, nil)
	if authorization != "" {
		r.HTTP.Header.Set("Authorization", authorization)
	}
	for _, proof := range proofs {
		r.HTTP.Header.Add("DPoP", proof)
	}
	return r
}

// proven returns the sample request of Ann's laptop with a proof.
func proven(changes ...members) *Request {
	accessToken := mint()
	return get("DPoP "+accessToken, laptop.prove(accessToken, changes...))
}

// rule returns a policy for exchange that includes all users.
func rule(name string, state policy.State, edits ...func(*policy.Policy)) policy.Policy {
	p := policy.Policy{DisplayName: name, State: state}
	p.Conditions.Users.IncludeUsers = []string{"All"}
	p.Conditions.Applications.IncludeApplications = []string{"exchange"}
	p.SessionControls.SecureSignInSession.IsEnabled = true
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func includeGroup(p *policy.Policy) {
	p.Conditions.Users.IncludeUsers, p.Conditions.Users.IncludeGroups = nil, []string{"pilot"}
}
func excludeGroup(p *policy.Policy) { p.Conditions.Users.ExcludeGroups = []string{"break-glass"} }
func excludeAnn(p *policy.Policy)   { p.Conditions.Users.ExcludeUsers = []string{"id-of-ann"} }
func onlyWindows(p *policy.Policy) {
	p.Conditions.Platforms.IncludePlatforms = []policy.Platform{policy.Windows}
}
func onlyBrowsers(p *policy.Policy)  { p.Conditions.ClientAppTypes = []policy.ClientApp{policy.Browser} }
func needsHardware(p *policy.Policy) { p.TokenProtection.RequireHardwareKey = true }
func onlySharepoint(p *policy.Policy) {
	p.Conditions.Applications.IncludeApplications = []string{"sharepoint"}
}
func rollout(percent int) func(*policy.Policy) {
	return func(p *policy.Policy) { p.TokenProtection.RolloutPercent = &percent }
}

// setup is what tests vary of a rig.
type setup struct {
	Config
	policies              []policy.Policy
	schemes               []proof.Scheme // that the resource accepts; nil means DPoP
	devices               *mtls.Devices
	keys                  *token.KeySet
	replay                Replay
	start                 time.Time // of the replay set's memory
	maxEntries, maxPerKey int
	requireNonce          bool
	interval              time.Duration // of the sign-in log
}

// rig is an enforcer with a clock that stands still and a log that is kept.
type rig struct {
	*Enforcer
	t testing.TB

	mu      sync.Mutex
	records []signin.Record
}

// newRig returns an enforcer of the resource exchange under these policies.
// Its replay set has been remembering for an hour.
func newRig(t testing.TB, policies []policy.Policy, edits ...func(*setup)) *rig {
	t.Helper()
	s := setup{policies: policies, keys: keySet(t), start: noon.Add(-time.Hour), maxEntries: 10000, maxPerKey: 1000}
	s.Resource = Resource{Name: "exchange", DisplayName: "Exchange", AppID: "app-of-exchange", Audience: []string{audience}}
	s.Now = func() time.Time { return noon }
	for _, edit := range edits {
		edit(&s)
	}
	g := &rig{t: t}
	s.Policies = compile(t, s.policies)
	if s.Tokens == nil {
		s.Tokens = tokenVerifier(t, s.keys)
	}
	if s.replay == nil {
		s.replay = ok(NewReplay(s.maxEntries, s.maxPerKey, maxAge, clockSkew, s.start))(t)
	}
	if s.schemes == nil || slices.Contains(s.schemes, proof.DPoP) {
		s.DPoP = ok(dpop.New(dpop.Config{
			MaxAge: maxAge, ClockSkew: clockSkew, RequireNonce: s.requireNonce, Replay: s.replay,
			Nonces: ok(nonce.New("dpop", 2*time.Minute, secret))(t), Keys: ok(dpop.NewKeyCache(100))(t),
		}))(t)
	}
	if slices.Contains(s.schemes, proof.MTLS) {
		s.MTLS = ok(mtls.New(mtls.Config{Devices: s.devices}))(t)
	}
	if slices.Contains(s.schemes, proof.PoP) {
		s.PoP = ok(pop.New(pop.Config{
			ClockSkew: clockSkew, RequireNonce: s.requireNonce, Nonces: ok(nonce.New("pop", 2*time.Minute, secret))(t),
			Replay: ok(NewReplay(s.maxEntries, s.maxPerKey, pop.DefaultMaxAge, clockSkew, s.start))(t),
		}))(t)
	}
	s.Log = signin.New(signin.Config{Interval: s.interval, Now: s.Now, Sink: func(r signin.Record) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.records = append(g.records, r)
		text, err := json.Marshal(r)
		if faults := schematest.Faults(signin.Schema, text); err != nil || len(faults) > 0 {
			t.Errorf("a record breaks the schema: %v, %q in %s", err, faults, text)
		}
	}})
	g.Enforcer = ok(New(s.Config))(t)
	return g
}

// ok unwraps a result that the test relies on: ok(f())(t).
func ok[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func compile(t testing.TB, policies []policy.Policy) *policy.Set {
	t.Helper()
	return ok(policy.Compile(policies, []policy.Resource{{Name: "exchange"}, {Name: "sharepoint"}}))(t)
}

// keySet returns the issuer's keys, from a file.
func keySet(t testing.TB) *token.KeySet {
	t.Helper()
	return fileKeySet(t, issuerName, with(members{"kid": "2026", "alg": "ES256"}, issuer.jwk))
}

func fileKeySet(t testing.TB, name string, jwk members) *token.KeySet {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, must(json.Marshal(members{"keys": []members{jwk}})), 0o600); err != nil {
		t.Fatal(err)
	}
	return ok(token.NewFileKeySet(name, path))(t)
}

func tokenVerifier(t testing.TB, keys *token.KeySet) *token.Verifier {
	t.Helper()
	issuer := ok(token.NewIssuer(token.IssuerConfig{Issuer: issuerName}, keys))(t)
	return ok(token.NewVerifier([]*token.Issuer{issuer}, ok(token.NewCache(100))(t), clockSkew))(t)
}

// enforced and reported are the two states of one policy for everybody.
func enforced(edits ...func(*policy.Policy)) []policy.Policy {
	return []policy.Policy{rule("enforced", policy.On, edits...)}
}

func reported(edits ...func(*policy.Policy)) []policy.Policy {
	return []policy.Policy{rule("reported", policy.ReportOnly, edits...)}
}

// restarted makes the replay set begin to remember just now.
func restarted(s *setup) { s.start = noon }

// accepting makes the resource accept these schemes and no others.
func accepting(schemes ...proof.Scheme) func(*setup) {
	return func(s *setup) { s.schemes = schemes }
}

// everyScheme makes the resource accept all schemes that come with a token.
func everyScheme(s *setup) { s.schemes = []proof.Scheme{proof.DPoP, proof.MTLS, proof.PoP} }

// bindingDevices lets certificates prove device claims, among all schemes.
func bindingDevices(s *setup) {
	everyScheme(s)
	authorities := x509.NewCertPool()
	authorities.AddCert(authority())
	s.devices = &mtls.Devices{Authorities: authorities, Source: mtls.SubjectCN}
}

func anonymous(s *setup) { s.Resource.AllowAnonymous = true }

// allows and blocks judge a request and check the verdict.
func (g *rig) allows(r *Request, want reason.Reason) *Decision {
	g.t.Helper()
	d := g.Enforce(r)
	if !d.Allow || d.Reason != want {
		g.t.Errorf("allow %v, reason %q; want it allowed with %q", d.Allow, d.Reason, want)
	}
	return d
}

func (g *rig) blocks(r *Request, want reason.Reason) *Decision {
	g.t.Helper()
	d := g.Enforce(r)
	if d.Allow || d.Bound && d.Reason != reason.HardwareKey || d.Reason != want {
		g.t.Errorf("allow %v, bound %v, reason %q; want it blocked with %q", d.Allow, d.Bound, d.Reason, want)
	}
	return d
}

// last is the sign-in record written last.
func (g *rig) last() signin.Record {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.records) == 0 {
		g.t.Fatal("no sign-in record")
	}
	return g.records[len(g.records)-1]
}
