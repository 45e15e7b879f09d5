// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// remembering is a verifier, its cache and a token that passed and is remembered.
func remembering(t testing.TB, config IssuerConfig) (v *Verifier, keys *KeySet, raw string) {
	t.Helper()
	s := signers()[jose.ES256]
	keys = fixed(t, s)
	v = verifierOf(t, issuer(t, config, keys))
	raw = s.mint(t, typAT, rfc9068())
	token, why := v.Verify(raw, forMail, now)
	if why != reason.None {
		t.Fatal(why)
	}
	v.Remember(token)
	return v, keys, raw
}

func TestATokenIsRememberedOnlyWhenItIsSaid(t *testing.T) {
	v, _ := standard(t)
	raw := signers()[jose.ES256].mint(t, typAT, rfc9068())
	for range 3 {
		token, why := v.Verify(raw, forMail, now)
		if why != reason.None || token.cached || v.verified.Len() != 0 {
			t.Fatalf("%s, cached %v, %d in the cache", why, token.cached, v.verified.Len())
		}
	}
	token, _ := v.Verify(raw, forMail, now)
	v.Remember(token)
	again, why := v.Verify(raw, forMail, now)
	if why != reason.None || again != token || again.Hash != hashOf(raw) {
		t.Errorf("%s: not what was remembered", why)
	}
	v.Remember(again)
	if v.verified.Len() != 1 {
		t.Errorf("%d in the cache", v.verified.Len())
	}
}

// The audience and the times are checked on a hit too.
func TestAHitChecksAudienceAndTimesAgain(t *testing.T) {
	v, keys, raw := remembering(t, IssuerConfig{Issuer: contoso})
	if _, why := v.Verify(raw, Audience{Names: []string{"https://sp.contoso.example"}}, now); why != reason.TokenAudience {
		t.Errorf("another resource: %q", why)
	}
	keys.current.Load().fetched = now.Add(time.Hour)
	for after, want := range map[time.Duration]reason.Reason{
		3600*time.Second + skew - time.Second: reason.None, 3600*time.Second + skew: reason.TokenExpired, -60*time.Second - skew - time.Second: reason.TokenNotYetValid,
	} {
		if _, why := v.Verify(raw, forMail, now.Add(after)); why != want {
			t.Errorf("%v later: %q, expected %q", after, why, want)
		}
	}
}

// The cache outlives configurations: what another one put in is not believed, and verified anew under the present one.
func TestATokenOfAnIssuerConfiguredOtherwiseIsNotBelieved(t *testing.T) {
	old, keys, raw := remembering(t, IssuerConfig{Issuer: contoso})
	for name, test := range map[string]struct {
		config IssuerConfig
		keys   *KeySet
		want   reason.Reason
	}{
		"same":                 {IssuerConfig{Issuer: contoso}, keys, reason.None},
		"algorithms narrowed":  {IssuerConfig{Issuer: contoso, Algorithms: []jose.Algorithm{jose.RS256}}, keys, reason.TokenAlgorithm},
		"types changed":        {IssuerConfig{Issuer: contoso, Types: []string{TypeJWT}}, keys, reason.TokenType},
		"issuer gone":          {IssuerConfig{Issuer: entraV2}, keys, reason.TokenIssuer},
		"another set of keys":  {IssuerConfig{Issuer: contoso}, fixed(t, another(t, "p256")), reason.TokenSignature},
		"another set of kids":  {IssuerConfig{Issuer: contoso}, fixed(t, another(t, "b")), reason.TokenKeyUnknown},
		"a claim elsewhere":    {IssuerConfig{Issuer: contoso, Claims: ClaimNames{User: []string{"jti"}}}, keys, reason.None},
		"a claim of odd shape": {IssuerConfig{Issuer: contoso, Claims: ClaimNames{User: []string{"exp"}}}, keys, reason.TokenClaims},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := NewVerifier([]*Issuer{issuer(t, test.config, test.keys)}, old.verified, skew)
			if err != nil {
				t.Fatal(err)
			}
			token, why := v.Verify(raw, forMail, now)
			if why != test.want {
				t.Fatalf("%q, expected %q", why, test.want)
			}
			if name == "a claim elsewhere" && token.Claims.User != "dbe39bf3a3ba4238a513f51d6e1691c4" {
				t.Errorf("user is %q, as the old configuration reads it", token.Claims.User)
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	if _, err := NewCache(0); err == nil {
		t.Error("a cache without room is accepted")
	}
	v, _ := standard(t)
	for i := range 20 {
		token, why := v.Verify(signers()[jose.EdDSA].mint(t, typAT, rfc9068().with("jti", strconv.Quote(strconv.Itoa(i)))), forMail, now)
		if why != reason.None {
			t.Fatal(why)
		}
		v.Remember(token)
	}
	if v.verified.Len() != 8 {
		t.Errorf("%d tokens in a cache for 8", v.verified.Len())
	}
}

// What is remembered of a token is less than the token: its claims, not its text and not the reader's state.
func TestRememberedTokensAreLean(t *testing.T) {
	const count = 1000
	s := signers()[jose.EdDSA]
	cache, err := NewCache(count)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier([]*Issuer{issuer(t, IssuerConfig{Issuer: contoso}, fixed(t, s))}, cache, skew)
	if err != nil {
		t.Fatal(err)
	}
	pad := strconv.Quote(strings.Repeat("x", 5000))
	before := heap()
	for i := range count {
		token, why := v.Verify(s.mint(t, typAT, rfc9068().with("jti", strconv.Quote(strconv.Itoa(i)), "pad", pad)), forMail, now)
		if why != reason.None {
			t.Fatal(why)
		}
		v.Remember(token)
	}
	if each := (heap() - before) / count; each > 1500 {
		t.Errorf("%d octets for each", each)
	} else {
		t.Logf("%d octets for each", each)
	}
	if cache.Len() != count {
		t.Errorf("%d tokens", cache.Len())
	}
}

func BenchmarkVerifyHit(b *testing.B) {
	v, _, raw := remembering(b, IssuerConfig{Issuer: contoso})
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, why := v.Verify(raw, forMail, now); why != reason.None {
			b.Fatal(why)
		}
	}
}

func BenchmarkVerifyMiss(b *testing.B) {
	v, _ := standard(b)
	raw := signers()[jose.ES256].mint(b, typAT, rfc9068())
	b.ReportAllocs()
	for b.Loop() {
		if _, why := v.Verify(raw, forMail, now); why != reason.None {
			b.Fatal(why)
		}
	}
}

// A junk token of a made-up kid is the cheapest flood; it is refused before any signature.
func BenchmarkVerifyUnknownKey(b *testing.B) {
	v, _ := standard(b)
	raw := another(b, "nope").mint(b, typAT, rfc9068())
	b.ReportAllocs()
	for b.Loop() {
		if _, why := v.Verify(raw, forMail, now); why != reason.TokenKeyUnknown {
			b.Fatal(why)
		}
	}
}
