// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// introspection is an endpoint that knows opaque tokens (RFC 7662).
type introspection struct {
	url, secret string

	mu     sync.Mutex
	tokens map[string]harness.Object // by token, its answer
	down   bool
	asked  map[string]int
}

func newIntrospection(t *testing.T) *introspection {
	i := &introspection{
		secret: harness.Secret("client secret", rand.Text()), tokens: make(map[string]harness.Object), asked: make(map[string]int),
	}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL + "/introspect"
	return i
}

// issuer is the block that makes a server ask here about what is no JWT.
func (i *introspection) issuer(world *harness.World) string {
	return "issuer " + world.Issuer.URL + " {\nintrospection " + i.url + " {\nclient_id proxy\nclient_secret " + i.secret + "\n}\n}"
}

// mint makes an opaque token with an answer.
func (i *introspection) mint(answer harness.Object) string {
	token := harness.Secret("token", rand.Text())
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tokens[token] = answer
	return token
}

// breakDown makes the endpoint answer 500, or no longer.
func (i *introspection) breakDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// questions is how often the endpoint was asked about a token.
func (i *introspection) questions(token string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[token]
}

func (i *introspection) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if r.Method != http.MethodPost || id != "proxy" || secret != i.secret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := r.PostFormValue("token")
	i.mu.Lock()
	i.asked[token]++
	answer, known := i.tokens[token]
	down := i.down
	i.mu.Unlock()
	if !known {
		answer = harness.Object{"active": false}
	}
	if down {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// active is the answer about a token of alice's, with changes.
func active(changes harness.Object) harness.Object {
	now := time.Now().Unix()
	return harness.With(harness.Object{
		"active": true, "aud": harness.Origin, "sub": "alice-id", "username": "alice@contoso.example", "client_id": "outlook", "iat": now, "exp": now + 900,
	}, changes)
}

// proven sends GET /api/x with a token and a right proof by K1.
func proven(t *testing.T, server *harness.Server, protocol harness.Protocol, token string) harness.Response {
	t.Helper()
	proof := harness.Proof{Key: server.World.K1, Token: token, Path: path, Nonce: server.Nonce(t)}
	return server.Do(t, protocol, harness.Request{Path: path, Header: harness.Credentials(token, proof.Sign())})
}

// TestOpaqueTokens: what the authorization server says of a token decides,
// its confirmation included.
func TestOpaqueTokens(t *testing.T) {
	world := harness.NewWorld(t)
	endpoint := newIntrospection(t)
	server := world.Start(t, harness.Options{Issuers: endpoint.issuer(world), TLS: modeRequest})
	bound := endpoint.mint(active(harness.With(harness.BoundTo(world.K1), harness.Object{"token_type": "DPoP"})))
	byCertificate := endpoint.mint(active(x1().Confirmation()))
	signed := harness.SignedRequest{Key: world.K1, Token: endpoint.mint(active(harness.Confirmed(world.K1))), Path: path, Nonce: server.PoPNonce(t)}

	for _, protocol := range harness.Protocols {
		if got := proven(t, server, protocol, bound); got.Status != http.StatusOK || len(got.Arrivals()) != 1 {
			t.Errorf("%v: status %d %q, %d arrivals", protocol, got.Status, got.Error, len(got.Arrivals()))
		}
	}
	if asked := endpoint.questions(bound); asked != 1 {
		t.Errorf("three requests within a second made the server ask %d times", asked)
	}
	certified := server.Visitor(t, harness.HTTP2, harness.As(x1())).Do(t, harness.Request{Path: path, Header: bearer(byCertificate)})
	if certified.Status != http.StatusOK {
		t.Errorf("with its certificate: status %d %q", certified.Status, certified.Error)
	}
	if got := server.Do(t, harness.HTTP1, harness.Request{Path: path, Header: harness.PoP(signed.Sign())}); got.Status != http.StatusOK {
		t.Errorf("in a signed request: status %d %q", got.Status, got.Error)
	}
	if got := proven(t, server, harness.HTTP1, world.AT1); got.Status != http.StatusOK {
		t.Errorf("a JWT beside them: status %d %q", got.Status, got.Error)
	}

	expired := time.Now().Unix() - 60
	for name, test := range map[string]struct {
		response harness.Response
		reason   string
		code     int
	}{
		"inactive":              {proven(t, server, harness.HTTP1, endpoint.mint(harness.Object{"active": false})), "token_inactive", 1005},
		"unknown":               {proven(t, server, harness.HTTP1, "made-up-by-somebody"), "token_inactive", 1005},
		"expired":               {proven(t, server, harness.HTTP1, endpoint.mint(active(harness.With(harness.BoundTo(world.K1), harness.Object{"exp": expired})))), "token_expired", 1005},
		"for another resource":  {proven(t, server, harness.HTTP1, endpoint.mint(active(harness.With(harness.BoundTo(world.K1), harness.Object{"aud": "https://other.example"})))), "token_audience", 1005},
		"of another issuer":     {proven(t, server, harness.HTTP1, endpoint.mint(active(harness.With(harness.BoundTo(world.K1), harness.Object{"iss": "https://evil.example"})))), "token_issuer", 1005},
		"bound to another key":  {proven(t, server, harness.HTTP1, endpoint.mint(active(harness.BoundTo(world.K2)))), "key_mismatch", 1005},
		"unbound":               {proven(t, server, harness.HTTP1, endpoint.mint(active(nil))), "token_unbound", 1002},
		"stolen, as bearer":     {server.Do(t, harness.HTTP1, harness.Request{Path: path, Header: bearer(bound)}), "scheme_mismatch", 1008},
		"without a certificate": {server.Do(t, harness.HTTP1, harness.Request{Path: path, Header: bearer(byCertificate)}), "certificate_missing", 1008},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.response
			if got.Status != http.StatusUnauthorized || got.Error != "invalid_token" || len(got.Arrivals()) > 0 {
				t.Errorf("status %d %q, %d arrivals", got.Status, got.Error, len(got.Arrivals()))
			}
			record := server.Record(t, got.CorrelationID)
			if record.Status.AdditionalDetails != test.reason || record.TokenProtectionStatusDetails.Code != test.code {
				t.Errorf("recorded %q with code %d, expected %q with %d", record.Status.AdditionalDetails, record.TokenProtectionStatusDetails.Code, test.reason, test.code)
			}
		})
	}
}

// TestIntrospectionThatIsDown: nothing is known of the token then, so that the
// request is refused, and neither for good nor as the client's fault.
func TestIntrospectionThatIsDown(t *testing.T) {
	world := harness.NewWorld(t)
	endpoint := newIntrospection(t)
	server := world.Start(t, harness.Options{Issuers: endpoint.issuer(world)})
	token := endpoint.mint(active(harness.BoundTo(world.K1)))
	endpoint.breakDown(true)
	got := proven(t, server, harness.HTTP1, token)
	if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" || len(got.Challenges) > 0 || len(got.Arrivals()) > 0 {
		t.Errorf("status %d, Retry-After %q, challenges %v, %d arrivals", got.Status, got.Header.Get("Retry-After"), got.Challenges, len(got.Arrivals()))
	}
	if record := server.Record(t, got.CorrelationID); record.Status.AdditionalDetails != "introspection_unavailable" || record.TokenProtectionStatusDetails.Code != 1005 {
		t.Errorf("recorded %+v, %+v", record.Status, record.TokenProtectionStatusDetails)
	}
	if got := proven(t, server, harness.HTTP1, world.AT1); got.Status != http.StatusOK {
		t.Errorf("a JWT meanwhile: status %d %q", got.Status, got.Error)
	}
	endpoint.breakDown(false)
	if got := proven(t, server, harness.HTTP1, token); got.Status != http.StatusOK {
		t.Errorf("once it is up again: status %d %q", got.Status, got.Error)
	}
}

// TestReportOnlyLeavesOpaqueTokensAlone: whatever the endpoint says, and if it
// says nothing, the request reaches the backend as it came. The record says
// what would have been.
func TestReportOnlyLeavesOpaqueTokensAlone(t *testing.T) {
	world := harness.NewWorld(t)
	endpoint := newIntrospection(t)
	server := world.Start(t, harness.Options{Issuers: endpoint.issuer(world), Policies: harness.PolicyReportOnly})
	bound, another := endpoint.mint(active(harness.BoundTo(world.K1))), endpoint.mint(active(harness.BoundTo(world.K1)))
	for _, test := range []struct {
		name   string
		down   bool
		token  string
		result string
		reason string
	}{
		{"bound", false, bound, "reportOnlySuccess", "nonce_missing: excused"}, // the server has just started
		{"inactive", false, "made-up-by-somebody", "reportOnlyFailure", "token_inactive"},
		{"down", true, another, "reportOnlyFailure", "introspection_unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			endpoint.breakDown(test.down)
			before := len(server.Records(t))
			got := proven(t, server, harness.HTTP1, test.token)
			arrivals := got.Arrivals()
			if got.Status != http.StatusOK || len(arrivals) != 1 || arrivals[0].Header.Get("Authorization") != "DPoP "+test.token {
				t.Fatalf("status %d, arrivals %d", got.Status, len(arrivals))
			}
			harness.Eventually(t, "the record", func() bool { return len(server.Records(t)) > before })
			records := server.Records(t)
			record := records[len(records)-1]
			if !strings.Contains(record.ConditionalAccessPolicies, test.result) || !strings.HasPrefix(record.Status.AdditionalDetails, test.reason) {
				t.Errorf("recorded %s, %q; expected %s, %q", record.ConditionalAccessPolicies, record.Status.AdditionalDetails, test.result, test.reason)
			}
		})
	}
}
