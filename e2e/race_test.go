// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"sync"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestOfRacingCopiesExactlyOnePasses sends copies of one proof at the same
// moment: whoever records a proof and is quick must not get through with it.
// ES512 is the slowest signature to verify, so that a server which first looks
// whether a proof is spent and records it afterwards is found out.
func TestOfRacingCopiesExactlyOnePasses(t *testing.T) {
	const copies, rounds = 200, 3
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	nonce := server.Nonce(t)
	key := harness.NewKey("ES512")
	token := world.Issuer.Mint(harness.BoundTo(key))
	for _, protocol := range []harness.Protocol{harness.HTTP1, harness.HTTP2} {
		t.Run(protocol.String(), func(t *testing.T) {
			for range rounds {
				proof := harness.Proof{Key: key, Token: token, Path: "/api/x", Nonce: nonce}.Sign()
				request := harness.Request{Path: "/api/x", Header: harness.Credentials(token, proof)}
				responses, problems := make([]harness.Response, copies), make([]error, copies)
				barrier := make(chan struct{})
				var all sync.WaitGroup
				for i := range copies {
					all.Go(func() {
						<-barrier
						responses[i], problems[i] = server.Try(protocol, request)
					})
				}
				close(barrier)
				all.Wait()
				passed, arrived := 0, 0
				for i, response := range responses {
					arrived += len(response.Arrivals())
					switch {
					case problems[i] != nil:
						t.Fatal(problems[i])
					case response.Status == 200:
						passed++
					case response.Status != 401 || response.Error != "invalid_dpop_proof":
						t.Errorf("a copy got %d %q", response.Status, response.Error)
					}
				}
				if passed != 1 || arrived != 1 {
					t.Errorf("%d of %d copies passed, and the backend saw %d", passed, copies, arrived)
				}
			}
		})
	}
}
