// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/client"
	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestProtocols shows the same promises over each HTTP version.
func TestProtocols(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for _, protocol := range harness.Protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			send := func(header http.Header) harness.Response {
				return server.Do(t, protocol, harness.Request{Method: "POST", Path: "/ews/exchange.asmx?a=b", Header: header, Body: "<soap/>"})
			}
			proof := func() harness.Proof {
				return harness.Proof{Key: world.K1, Token: world.AT1, Method: "POST", Path: "/ews/exchange.asmx", Nonce: server.Nonce(t)}
			}

			spent := proof().Sign()
			accepted := send(harness.Credentials(world.AT1, spent))
			arrivals := accepted.Arrivals()
			if accepted.Status != 200 || accepted.Body != "from the backend\n" || len(arrivals) != 1 {
				t.Fatalf("a right request got %d %q and arrived %d times", accepted.Status, accepted.Error, len(arrivals))
			}
			if a := arrivals[0]; a.Method != "POST" || a.URI != "/ews/exchange.asmx?a=b" || a.Body != "<soap/>" || a.Host != harness.Host ||
				a.Header.Get("Authorization") != "DPoP "+world.AT1 || a.Header.Get("Dpop") != spent {
				t.Errorf("the backend saw %s %s of %s, body %q, not what was sent", a.Method, a.URI, a.Host, a.Body)
			}

			thief := proof()
			thief.Key = world.K3
			for name, refused := range map[string]struct {
				header http.Header
				want   answer
			}{
				"no credential":                  {nil, answer{401, ""}},
				"bound token as bearer":          {http.Header{"Authorization": {"Bearer " + world.AT1}}, answer{401, "invalid_token"}},
				"unbound token":                  {http.Header{"Authorization": {"Bearer " + world.ATb}}, answer{401, "invalid_token"}},
				"stolen token, proof by a thief": {harness.Credentials(world.AT1, thief.Sign()), answer{401, "invalid_token"}},
				"recorded proof":                 {harness.Credentials(world.AT1, spent), answer{401, "invalid_dpop_proof"}},
				"two proofs":                     {harness.Credentials(world.AT1, proof().Sign(), proof().Sign()), answer{400, "invalid_request"}},
			} {
				t.Run(name, func(t *testing.T) {
					response := send(refused.header)
					if got := (answer{status(response.Status), response.Error}); got != refused.want || len(response.Arrivals()) != 0 {
						t.Errorf("got %+v, %d arrivals, expected %+v", got, len(response.Arrivals()), refused.want)
					}
				})
			}
		})
	}
}

// TestOwnClient shows that a program with the client package needs nothing
// else: it gets its nonce and passes, request after request.
func TestOwnClient(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Proof: "nonce required"})
	key, err := client.GenerateKey(client.ES256)
	if err != nil {
		t.Fatal(err)
	}
	token := world.Issuer.Mint(harness.Object{"cnf": harness.Object{"jkt": key.Thumbprint()}})
	for _, protocol := range harness.Protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			counted := &counting{base: server.Client(protocol).Transport}
			device := &http.Client{Transport: &client.Transport{Key: key, Token: client.StaticToken(token), Base: counted}}
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				request, err := http.NewRequestWithContext(ctx, "GET", harness.Origin+"/api/x", nil)
				if err != nil {
					t.Fatal(err)
				}
				response, err := device.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				if err := errors.Join(err, response.Body.Close()); err != nil {
					t.Fatal(err)
				}
				cancel()
				if response.StatusCode != 200 {
					t.Fatalf("got %d: %s", response.StatusCode, body)
				}
			}
			if counted.requests != 4 { // three and one challenge
				t.Errorf("%d requests for three", counted.requests)
			}
		})
	}
}

// counting counts the requests that go over the network, one at a time.
type counting struct {
	base     http.RoundTripper
	requests int
}

// RoundTrip implements http.RoundTripper.
func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests++
	harness.Secret("token or proof", r.Header.Get("Dpop"))
	return c.base.RoundTrip(r)
}
