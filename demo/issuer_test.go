// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
)

const issuerURL = "https://login.contoso.example"

func newIssuer(t testing.TB) *Issuer {
	t.Helper()
	issuer, err := NewIssuer(issuerURL)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

// handlers is an http.RoundTripper that gives requests to handlers by host,
// without a network: tests with a synthetic clock can use it.
type handlers map[string]http.Handler

func (h handlers) RoundTrip(request *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	arriving := request.Clone(request.Context())
	arriving.RequestURI, arriving.Host = request.URL.RequestURI(), request.URL.Host
	h[request.URL.Host].ServeHTTP(recorder, arriving)
	response := recorder.Result()
	response.Request = request
	return response, nil
}

// through is an HTTP client that reaches the issuer only.
func through(issuer *Issuer) *http.Client {
	return &http.Client{Transport: handlers{"login.contoso.example": issuer}}
}

func tokenRequest(issuer *Issuer, form url.Values) client.TokenRequest {
	return client.TokenRequest{Endpoint: issuerURL + "/token", Form: form, HTTPClient: through(issuer)}
}

func getJSON(t testing.TB, handler http.Handler, path string, into any) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("%s answered %d", path, recorder.Code)
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// verify checks a token's signature with the key set as it is published, and
// returns its claims.
func verify(t testing.TB, issuer *Issuer, token string) (claims jwt.MapClaims, err error) {
	t.Helper()
	var set struct{ Keys []map[string]any }
	getJSON(t, issuer, "/jwks", &set)
	claims = jwt.MapClaims{}
	_, err = jwt.ParseWithClaims(token, claims, func(token *jwt.Token) (any, error) {
		if token.Header["typ"] != "at+jwt" {
			return nil, errors.New("typ is not at+jwt")
		}
		for _, jwk := range set.Keys {
			if jwk["kid"] == token.Header["kid"] {
				key, _, err := parseJWK(jwk)
				return key.(*ecdsa.PublicKey), err
			}
		}
		return nil, errors.New("no such key")
	}, jwt.WithIssuer(issuerURL), jwt.WithExpirationRequired(), jwt.WithValidMethods([]string{"ES256"}))
	return claims, err
}

func TestTokenOfAProofIsBoundToItsKey(t *testing.T) {
	for _, alg := range []client.Algorithm{client.ES256, client.ES384, client.ES512, client.EdDSA, client.RS256, client.PS256} {
		t.Run(string(alg), func(t *testing.T) {
			issuer := newIssuer(t)
			key, err := client.GenerateKey(alg)
			if err != nil {
				t.Fatal(err)
			}
			token, err := key.RequestToken(context.Background(), tokenRequest(issuer, url.Values{
				"grant_type": {"demo"}, "user": {"alice"}, "resource": {"https://mail.contoso.example"}, "client_id": {"outlook"},
			}))
			if err != nil {
				t.Fatal(err)
			}
			claims, err := verify(t, issuer, token.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			confirmation, _ := claims["cnf"].(map[string]any)
			if len(confirmation) != 1 || confirmation["jkt"] != key.Thumbprint() {
				t.Errorf("cnf %v, want jkt %s", confirmation, key.Thumbprint())
			}
			alice, _ := findUser("alice")
			for name, want := range map[string]string{
				"aud": "https://mail.contoso.example", "client_id": "outlook", "upn": alice.UPN, "oid": alice.ID,
				"sub": alice.ID, "deviceid": alice.Device, "scp": "user_impersonation",
			} {
				if claims[name] != want {
					t.Errorf("%s %v, want %s", name, claims[name], want)
				}
			}
			if groups, _ := claims["groups"].([]any); len(groups) != 1 || groups[0] != "pilot" {
				t.Errorf("groups %v, want pilot", claims["groups"])
			}
			if wids, _ := claims["wids"].([]any); len(wids) != 1 || wids[0] != roleUser {
				t.Errorf("wids %v", claims["wids"])
			}
		})
	}
}

func TestTokenWithoutAProofIsUnbound(t *testing.T) {
	issuer := newIssuer(t)
	token, err := client.RequestUnboundToken(context.Background(), tokenRequest(issuer, url.Values{
		"grant_type": {"demo"}, "user": {"alice"}, "resource": {"a", "b"},
	}))
	if err != nil || token.Type != "Bearer" || token.ExpiresIn != tokenLife {
		t.Fatalf("token type %s for %s, %v", token.Type, token.ExpiresIn, err)
	}
	claims, err := verify(t, issuer, token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if claims["cnf"] != nil || claims["deviceid"] != nil {
		t.Errorf("cnf %v and deviceid %v, want neither", claims["cnf"], claims["deviceid"])
	}
	if audience, _ := claims.GetAudience(); !slices.Equal(audience, []string{"a", "b"}) {
		t.Errorf("aud %v, want both resources", audience)
	}
}

func TestClientCredentialsGiveATokenWithoutAUser(t *testing.T) {
	issuer := newIssuer(t)
	token, err := client.RequestUnboundToken(context.Background(), tokenRequest(issuer, url.Values{"resource": {"a"}, "client_id": {"daemon"}}))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verify(t, issuer, token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if claims["sub"] != "daemon" || claims["upn"] != nil || claims["groups"] != nil {
		t.Errorf("claims %v, want the client as the subject and no user", slices.Sorted(maps.Keys(claims)))
	}
}

func TestRefusesTokenRequestsThatMakeNoSense(t *testing.T) {
	issuer := newIssuer(t)
	for _, test := range []struct{ form, want string }{
		{"grant_type=demo&user=alice", "invalid_target"},
		{"grant_type=demo&user=mallory&resource=a", "invalid_grant"},
		{"grant_type=password&user=alice&resource=a", "unsupported_grant_type"},
		{"user=alice&resource=a", "invalid_request"},
		{"grant_type=demo&user=alice&resource=" + strings.Repeat("a", maxForm), "invalid_request"},
	} {
		form, err := url.ParseQuery(test.form)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.RequestUnboundToken(context.Background(), tokenRequest(issuer, form))
		var refused *client.TokenError
		if !errors.As(err, &refused) || refused.Code != test.want || refused.Status != http.StatusBadRequest {
			t.Errorf("%.60s: %v, want 400 %s", test.form, err, test.want)
		}
	}
}

// RFC 9449, section 5: a proof that is there has to be right.
func TestRefusesTokenRequestsWithABadProof(t *testing.T) {
	issuer := newIssuer(t)
	key, err := client.GenerateKey(client.ES256)
	if err != nil {
		t.Fatal(err)
	}
	proof := func(p client.Proof) string {
		signed, err := key.Proof(p)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	good := proof(client.Proof{Method: "POST", URL: issuerURL + "/token"})
	for name, proofs := range map[string][]string{
		"two proofs":         {good, proof(client.Proof{Method: "POST", URL: issuerURL + "/token"})},
		"not a proof":        {"proof"},
		"broken signature":   {good[:len(good)-4] + "AAAA"},
		"another method":     {proof(client.Proof{Method: "GET", URL: issuerURL + "/token"})},
		"another endpoint":   {proof(client.Proof{Method: "POST", URL: issuerURL + "/tokens"})},
		"old":                {proof(client.Proof{Method: "POST", URL: issuerURL + "/token", IssuedAt: time.Now().Add(-time.Hour)})},
		"from the future":    {proof(client.Proof{Method: "POST", URL: issuerURL + "/token", IssuedAt: time.Now().Add(time.Hour)})},
		"an access token":    {mustToken(t, issuer)},
		"proof with no text": {""},
	} {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader("grant_type=demo&user=alice&resource=a"))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header["Dpop"] = proofs
			recorder := httptest.NewRecorder()
			issuer.ServeHTTP(recorder, request)
			if recorder.Code != http.StatusBadRequest || !strings.Contains(recorder.Body.String(), "invalid_dpop_proof") {
				t.Errorf("%d %s, want 400 invalid_dpop_proof", recorder.Code, recorder.Body)
			}
		})
	}
}

func mustToken(t testing.TB, issuer *Issuer) string {
	t.Helper()
	token, err := issuer.Token(map[string]any{"aud": "a", "sub": "s"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRefusesKeysThatAreNotPublicSignatureKeys(t *testing.T) {
	for name, jwk := range map[string]map[string]any{
		"none":          nil,
		"symmetric":     {"kty": "oct", "k": "AAAA"},
		"private":       {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": ""},
		"other curve":   {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
		"not on curve":  {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
		"short Ed25519": {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
		"small RSA":     {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
		"wrong type":    {"kty": 7},
	} {
		if _, _, err := parseJWK(jwk); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRotationKeepsTheFormerKeyForOneMore(t *testing.T) {
	issuer := newIssuer(t)
	old := mustToken(t, issuer)
	for rotation, wantErr := range []bool{false, false, true} {
		if _, err := verify(t, issuer, old); (err != nil) != wantErr {
			t.Errorf("after %d rotations: %v, want an error: %v", rotation, err, wantErr)
		}
		recorder := httptest.NewRecorder()
		issuer.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/rotate", nil))
		if recorder.Code != http.StatusOK {
			t.Fatalf("rotate answered %d", recorder.Code)
		}
		if _, err := verify(t, issuer, mustToken(t, issuer)); err != nil {
			t.Errorf("new token after a rotation: %v", err)
		}
	}
}

func TestMetadataNamesTheIssuerAndItsEndpoints(t *testing.T) {
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		var metadata map[string]any
		getJSON(t, newIssuer(t), path, &metadata)
		for name, want := range map[string]string{
			"issuer": issuerURL, "jwks_uri": issuerURL + "/jwks", "token_endpoint": issuerURL + "/token",
		} {
			if metadata[name] != want {
				t.Errorf("%s: %s %v, want %s", path, name, metadata[name], want)
			}
		}
	}
}

func TestPublishedKeysAreNotPrivate(t *testing.T) {
	var set struct{ Keys []map[string]any }
	getJSON(t, newIssuer(t), "/jwks", &set)
	if len(set.Keys) != 1 || set.Keys[0]["d"] != nil || set.Keys[0]["alg"] != "ES256" {
		t.Errorf("key set %v", set)
	}
}

func TestRefusesIssuerURLsThatAreNotOne(t *testing.T) {
	for _, bad := range []string{"", "login.example", "ftp://login.example", "https://login.example/", "https://login.example?x", "https://login.example#x"} {
		if _, err := NewIssuer(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}
