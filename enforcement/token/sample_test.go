// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

const (
	contoso = "https://sts.contoso.example"
	entraV2 = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
	entraV1 = "https://sts.windows.net/9188040d-6c67-4c5b-b112-36a304b66dad/"
	mail    = "https://mail.contoso.example"
	jkt     = "iIYsB_s7diBld1oYy5vr_l8ZPmeaQU1UsEbVbeX2NtI"
	jkt2    = "s0_ez4rdokShpdvXqIZdDJxT1WJQax2z1Gxp4iwkFxA"
)

var (
	now      = time.Unix(1_700_000_000, 0)
	skew     = 15 * time.Second
	forMail  = Audience{Names: []string{mail}}
	b64      = base64.RawURLEncoding.EncodeToString
	typAT    = `"at+jwt"`
	typEntra = `"JWT"`
)

// signer is an issuer's key pair.
type signer struct {
	kid     string
	alg     jose.Algorithm
	private crypto.Signer
}

// signers are made once: RSA keys take their time.
var signers = sync.OnceValue(func() map[jose.Algorithm]signer {
	p256, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err2 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, err3 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, err4 := ed25519.GenerateKey(rand.Reader)
	rsa2048, err5 := rsa.GenerateKey(rand.Reader, 2048)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			panic(err)
		}
	}
	all := map[jose.Algorithm]signer{
		jose.ES256: {"p256", jose.ES256, p256}, jose.ES384: {"p384", jose.ES384, p384}, jose.ES512: {"p521", jose.ES512, p521},
		jose.EdDSA: {"ed", jose.EdDSA, ed}, jose.Ed25519: {"ed", jose.Ed25519, ed},
	}
	for _, alg := range []jose.Algorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		all[alg] = signer{"rsa", alg, rsa2048}
	}
	return all
})

// another is a fresh P-256 key with a kid of the caller's choice.
func another(t testing.TB, kid string) signer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, jose.ES256, private}
}

// sign makes a compact JWS of a header and a payload, whatever they are.
func (s signer) sign(t testing.TB, header, payload string) string {
	t.Helper()
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	name := string(s.alg)
	if s.alg == jose.Ed25519 {
		name = "EdDSA"
	}
	signature, err := jwt.GetSigningMethod(name).Sign(input, s.private)
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(signature)
}

// mint makes a token with the header that belongs to the key.
func (s signer) mint(t testing.TB, typ string, c claims) string {
	t.Helper()
	return s.sign(t, fmt.Sprintf(`{"typ":%s,"alg":"%s","kid":"%s"}`, typ, s.alg, s.kid), c.json())
}

// jwk is the public key as its issuer publishes it; extra members go behind.
func (s signer) jwk(extra string) string {
	switch key := s.private.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			panic(err)
		}
		size := len(point) / 2
		return fmt.Sprintf(`{"kty":"EC","crv":"%s","x":"%s","y":"%s","kid":"%s"%s}`,
			key.Curve.Params().Name, b64(point[1:1+size]), b64(point[1+size:]), s.kid, extra)
	case ed25519.PublicKey:
		return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":"%s","kid":"%s"%s}`, b64(key), s.kid, extra)
	case *rsa.PublicKey:
		return fmt.Sprintf(`{"kty":"RSA","n":"%s","e":"%s","kid":"%s"%s}`,
			b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes()), s.kid, extra)
	}
	panic("no such key type")
}

func keySetOf(all ...signer) string {
	var keys []string
	for _, s := range all {
		keys = append(keys, s.jwk(`,"use":"sig"`))
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

// claims are a token's payload: names and their values as JSON text.
type claims map[string]string

// with returns a copy with some claims set to other JSON; an empty text removes the claim.
func (c claims) with(pairs ...string) claims {
	c = maps.Clone(c)
	for i := 0; i < len(pairs); i += 2 {
		if c[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(c, pairs[i])
		}
	}
	return c
}

func (c claims) json() string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		members = append(members, fmt.Sprintf("%q:%s", name, c[name]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// at is a NumericDate some seconds from now.
func at(seconds int64) string { return fmt.Sprint(now.Unix() + seconds) }

// rfc9068 is the token of RFC 9068, section 2.2, bound to a DPoP key.
func rfc9068() claims {
	return claims{
		"iss": `"` + contoso + `"`, "aud": `"` + mail + `"`, "sub": `"5ba552d67"`, "client_id": `"s6BhdRkqt3"`,
		"exp": at(3600), "iat": at(-60), "auth_time": at(-90), "jti": `"dbe39bf3a3ba4238a513f51d6e1691c4"`,
		"scope": `"openid profile reademail"`, "cnf": `{"jkt":"` + jkt + `"}`,
	}
}

// entraUserV2 is a delegated token of Entra's v2.0 endpoint.
func entraUserV2() claims {
	return claims{
		"aud": `"` + mail + `"`, "iss": `"` + entraV2 + `"`, "iat": at(-300), "nbf": at(-300), "exp": at(4200),
		"acct": "0", "aio": `"ATQAy/8TAAAA"`, "azp": `"1fec8e78-bce4-4aaf-ab1b-5451cc387264"`, "azpacr": `"0"`,
		"deviceid": `"1db38f1e-3d04-4a7a-8f0c-5a0a5a5f5a11"`, "groups": `["0760b6cf-170e-4a14-91b3-4b78e0739963"]`,
		"idtyp": `"user"`, "name": `"Abe Lincoln"`, "oid": `"690222be-ff1a-4d56-abd1-7e4f7d38e474"`,
		"preferred_username": `"AbeLi@contoso.example"`, "rh": `"0.ARoA"`, "roles": `["Mail.Reader"]`, "scp": `"EWS.AccessAsUser.All"`,
		"sub": `"HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ"`, "tid": `"9188040d-6c67-4c5b-b112-36a304b66dad"`,
		"upn": `"abeli@contoso.example"`, "uti": `"fqiBqXLPj0eQa82S-IYFAA"`, "ver": `"2.0"`,
		"wids": `["b79fbf4d-3ef9-4689-8143-76b194e85509"]`, "xms_cc": `["cp1"]`, "cnf": `{"kid":"` + jkt + `","xms_ksl":"uhw"}`,
	}
}

// entraUserV1 is a delegated token of the v1.0 endpoint.
func entraUserV1() claims {
	return claims{
		"aud": `"` + mail + `"`, "iss": `"` + entraV1 + `"`, "iat": at(-300), "nbf": at(-300), "exp": at(3600),
		"acct": "1", "acr": `"1"`, "amr": `["pwd","mfa"]`, "appid": `"d3590ed6-52b3-4102-aeff-aad2292ab01c"`, "appidacr": `"0"`,
		"deviceid": `"1db38f1e-3d04-4a7a-8f0c-5a0a5a5f5a11"`, "_claim_names": `{"groups":"src1"}`,
		"_claim_sources": `{"src1":{"endpoint":"https://graph.windows.net/9188040d/users/690222be/getMemberObjects"}}`,
		"oid":            `"690222be-ff1a-4d56-abd1-7e4f7d38e474"`, "scp": `"user_impersonation"`, "sub": `"HKZpfa"`,
		"tid": `"9188040d-6c67-4c5b-b112-36a304b66dad"`, "unique_name": `"abeli@contoso.example"`,
		"upn": `"abeli@contoso.example"`, "uti": `"fqiBqXLPj0eQa82S-IYFAA"`, "ver": `"1.0"`,
	}
}

// forbidden is a transport that nothing may call.
type forbidden struct{ t testing.TB }

func (f forbidden) RoundTrip(r *http.Request) (*http.Response, error) {
	f.t.Errorf("unexpected request to %s", r.URL)
	return nil, http.ErrHandlerTimeout
}

// fixed is a key set that was fetched just now and must not be fetched again.
func fixed(t testing.TB, all ...signer) *KeySet {
	t.Helper()
	set, err := NewRemoteKeySet(contoso, contoso+"/jwks", forbidden{t})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := parseKeySet([]byte(keySetOf(all...)))
	if err != nil {
		t.Fatal(err)
	}
	set.replace(keys, now)
	return set
}

func issuer(t testing.TB, config IssuerConfig, keys *KeySet) *Issuer {
	t.Helper()
	i, err := NewIssuer(config, keys)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func verifierOf(t testing.TB, issuers ...*Issuer) *Verifier {
	t.Helper()
	cache, err := NewCache(8)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier(issuers, cache, skew)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// standard knows contoso and Entra's two issuers, each with its own ES256 key and contoso with one of every kind.
func standard(t testing.TB) (v *Verifier, entra signer) {
	t.Helper()
	all := signers()
	entra = another(t, "entra")
	keys := fixed(t, all[jose.ES256], all[jose.ES384], all[jose.ES512], all[jose.EdDSA], all[jose.RS256])
	return verifierOf(t,
		issuer(t, IssuerConfig{Issuer: contoso}, keys),
		issuer(t, IssuerConfig{Issuer: entraV2}, fixed(t, entra)),
		issuer(t, IssuerConfig{Issuer: entraV1}, fixed(t, entra)),
	), entra
}

// refuses fails the test unless the token is refused for the reason.
func refuses(t *testing.T, v *Verifier, raw string, want reason.Reason) {
	t.Helper()
	if got, why := v.Verify(raw, forMail, now); why != want || got != nil {
		t.Errorf("reason %q with token %v, expected %q", why, got, want)
	}
}
