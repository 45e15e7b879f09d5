// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"slices"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// RFC 9068, section 4, and RFC 7515, section 4.1.9; plain JWT where Entra is the issuer, or where it is configured.
func TestTypes(t *testing.T) {
	all := signers()
	s := all[jose.ES256]
	keys := fixed(t, s)
	plain := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso}, keys))
	both := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso, Types: []string{TypeAccessToken, TypeJWT}}, keys))
	jwtOnly := verifierOf(t, issuer(t, IssuerConfig{Issuer: contoso, Types: []string{TypeJWT}}, keys))
	entra := verifierOf(t, issuer(t, IssuerConfig{Issuer: entraV2}, keys), issuer(t, IssuerConfig{Issuer: entraV1}, keys))
	for _, test := range []struct {
		name string
		v    *Verifier
		typ  string
		c    claims
		want reason.Reason
	}{
		{"at+jwt", plain, `"at+jwt"`, rfc9068(), reason.None},
		{"at+JWT", plain, `"at+JWT"`, rfc9068(), reason.None},
		{"application/at+jwt", plain, `"application/at+jwt"`, rfc9068(), reason.None},
		{"APPLICATION/AT+JWT", plain, `"APPLICATION/AT+JWT"`, rfc9068(), reason.None},
		{"application/ twice", plain, `"application/application/at+jwt"`, rfc9068(), reason.TokenType},
		{"a parameter behind", plain, `"at+jwt; charset=utf-8"`, rfc9068(), reason.TokenType},
		{"JWT from any issuer", plain, `"JWT"`, rfc9068(), reason.TokenType},
		{"dpop+jwt", plain, `"dpop+jwt"`, rfc9068(), reason.TokenType},
		{"logout+jwt", plain, `"logout+jwt"`, rfc9068(), reason.TokenType},
		{"empty", plain, `""`, rfc9068(), reason.TokenType},
		{"not a string", plain, `null`, rfc9068(), reason.TokenMalformed},
		{"JWT where configured", both, `"JWT"`, rfc9068(), reason.None},
		{"application/jwt where configured", both, `"application/jwt"`, rfc9068(), reason.None},
		{"at+jwt beside it", both, `"at+jwt"`, rfc9068(), reason.None},
		{"at+jwt where only JWT is configured", jwtOnly, `"at+jwt"`, rfc9068(), reason.TokenType},
		{"JWT from Entra v2", entra, `"JWT"`, entraUserV2(), reason.None},
		{"JWT from Entra v1", entra, `"JWT"`, entraUserV1(), reason.None},
		{"at+jwt from Entra", entra, `"at+jwt"`, entraUserV2(), reason.None},
		{"a security event from Entra", entra, `"secevent+jwt"`, entraUserV2(), reason.TokenType},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, why := test.v.Verify(s.mint(t, test.typ, test.c), forMail, now); why != test.want {
				t.Errorf("%q, expected %q", why, test.want)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		raw := s.sign(t, `{"alg":"ES256","kid":"p256"}`, entraUserV2().json())
		refuses(t, entra, raw, reason.TokenType)
	})
}

func TestOnlyEntrasHostsSayJWTByDefault(t *testing.T) {
	for name, want := range map[string]bool{
		entraV2: true, entraV1: true, "https://login.microsoftonline.us/t/v2.0": true, "https://login.partner.microsoftonline.cn/t/v2.0": true,
		contoso: false, "https://login.microsoftonline.com.evil.example/t/v2.0": false, "https://evil.example/login.microsoftonline.com": false,
		"https://xlogin.microsoftonline.com/t/v2.0": false,
	} {
		if i := issuer(t, IssuerConfig{Issuer: name}, nil); slices.Contains(i.types, TypeJWT) != want {
			t.Errorf("%s: types %v", name, i.types)
		}
	}
}

// RFC 8725, section 3.11, protocols that share a typ: an ID token for this application is not an access token to it.
func TestRefusesIDTokens(t *testing.T) {
	v, entra := standard(t)
	id := entraUserV2().with("aud", `"`+mail+`"`, "scp", "", "azp", "", "azpacr", "", "idtyp", "", "xms_cc", "", "cnf", "")
	for _, test := range []struct {
		name string
		c    claims
		want reason.Reason
	}{
		{"of Entra, with roles", id, reason.TokenType},
		{"of Entra, without roles", id.with("roles", ""), reason.TokenType},
		{"of the implicit flow", id.with("nonce", `"678910"`, "at_hash", `"x"`), reason.TokenType},
		{"of another maker, azp is the audience", id.with("azp", `"`+mail+`"`), reason.TokenType},
		{"of another maker, azp is one of the audiences", id.with("azp", `"c"`, "aud", `["c","`+mail+`"]`), reason.TokenType},
		{"azp empty", id.with("azp", `""`), reason.TokenType},
		{"nonce, although it names a client", id.with("azp", `"c"`, "nonce", `"n"`), reason.TokenType},
		{"at_hash, although it has a scope", id.with("scp", `"s"`, "at_hash", `"n"`), reason.TokenType},
		{"c_hash, although it has a scope", id.with("scp", `"s"`, "c_hash", `"n"`), reason.TokenType},
		{"access token: scp", id.with("scp", `"EWS.AccessAsUser.All"`), reason.None},
		{"access token: scope", id.with("scope", `"mail"`), reason.None},
		{"access token: appid", id.with("appid", `"c"`), reason.None},
		{"access token: idtyp", id.with("idtyp", `"app"`), reason.None},
		{"access token: client_id", id.with("client_id", `"c"`), reason.None},
		{"access token: azp of another application", id.with("azp", `"c"`), reason.None},
		{"access token of an application to itself", id.with("azp", `"`+mail+`"`, "azpacr", `"1"`), reason.None},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, why := v.Verify(entra.mint(t, typEntra, test.c), forMail, now); why != test.want {
				t.Errorf("%q, expected %q", why, test.want)
			}
		})
	}
	t.Run("typ at+jwt says enough", func(t *testing.T) {
		raw := signers()[jose.ES256].mint(t, typAT, rfc9068().with("client_id", "", "scope", "", "nonce", `"n"`))
		if _, why := v.Verify(raw, forMail, now); why != reason.None {
			t.Errorf("refused: %s", why)
		}
	})
}

// RFC 8414, section 2: https, no query, no fragment; and no password in an error.
func TestNewIssuerRefusesWhatCannotBeOne(t *testing.T) {
	for _, test := range []struct{ name, issuer string }{
		{"empty", ""},
		{"relative", "/tenant"},
		{"host alone", "sts.contoso.example"},
		{"no host", "https:///tenant"},
		{"http", "http://sts.contoso.example"},
		{"http on a name that looks like loopback", "http://localhost.evil.example"},
		{"http on an address of the network", "http://10.0.0.1"},
		{"other scheme", "file:///etc/keys"},
		{"userinfo", "https://user:hunter2@sts.contoso.example"},
		{"userinfo in what is not a URL", "https://user:hunter2@[/"},
		{"query", contoso + "?tenant=1"},
		{"empty query", contoso + "?"},
		{"fragment", contoso + "#x"},
		{"empty fragment", contoso + "#"},
		{"control character", contoso + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewIssuer(IssuerConfig{Issuer: test.issuer}, nil)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), "expected an absolute https URL") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error is %q", err)
			}
			if _, err := NewRemoteKeySet(test.issuer, contoso+"/jwks", nil); err == nil {
				t.Error("accepted by the key set")
			}
		})
	}
	for _, name := range []string{contoso, contoso + "/", entraV1, "https://sts:8443/x", "http://127.0.0.1:9000", "http://[::1]/x", "http://localhost:1"} {
		if i, err := NewIssuer(IssuerConfig{Issuer: name}, nil); err != nil || i.Name() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewIssuerRefusesUnknownTypes(t *testing.T) {
	for _, typ := range []string{"JWT", "at+JWT", "application/at+jwt", "dpop+jwt", ""} {
		if _, err := NewIssuer(IssuerConfig{Issuer: contoso, Types: []string{typ}}, nil); err == nil || !strings.Contains(err.Error(), "expected at+jwt or JWT") {
			t.Errorf("%q: %v", typ, err)
		}
	}
}

func TestDefaultAlgorithmsAreAllSupportedOnes(t *testing.T) {
	got, want := DefaultAlgorithms(), jose.Algorithms()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, expected %v", got, want)
	}
}
