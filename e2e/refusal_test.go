// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// refusals is one request for each class of refusal that differs in its body.
func refusals(t *testing.T, world *harness.World, server *harness.Server) map[string][]http.Header {
	t.Helper()
	proof := func(token string, changes harness.Object) string {
		return harness.Proof{Key: world.K1, Token: token, Path: "/api/x", Nonce: server.Nonce(t), Claims: changes}.Sign()
	}
	token := func(changes harness.Object) http.Header {
		token := world.Issuer.EC.Sign(world.Issuer.Header(), harness.With(harness.With(world.Issuer.Claims(), harness.BoundTo(world.K1)), changes))
		return harness.Credentials(token, proof(token, nil))
	}
	spent := harness.Credentials(world.AT1, proof(world.AT1, nil))
	if first := server.Do(t, harness.HTTP1, harness.Request{Path: "/api/x", Header: spent}); first.Status != 200 {
		t.Fatalf("the first use of a proof got %d", first.Status)
	}
	return map[string][]http.Header{
		"credential": {
			{"Authorization": {"DPoP " + world.AT1, "DPoP " + world.AT1}},
			{"Authorization": {"DPoP " + world.AT1, "Bearer " + world.ATb}},
		},
		"token": {
			token(harness.Object{"exp": 1}), token(harness.Object{"aud": "https://files.example"}),
			token(harness.Object{"iss": "https://foreign.example"}), {"Authorization": {"Bearer not-a-token"}},
		},
		"proof": {
			harness.Credentials(world.AT1, "not-a-proof"), harness.Credentials(world.AT1, proof(world.AT1, harness.Object{"htm": "PUT"})),
			harness.Credentials(world.AT1, proof(world.AT1, harness.Object{"htu": "https://files.example/"})),
			harness.Credentials(world.AT1, proof(world.AT1, harness.Object{"iat": 1})),
			harness.Credentials(world.AT1, flipped(proof(world.AT1, nil))), spent,
		},
		"no proof": {{"Authorization": {"Bearer " + world.AT1}}, harness.Credentials(world.AT1)},
	}
}

// TestRefusalsOfOneClassLookTheSame: the body tells a thief no more than
// the class; only the correlation id differs, by which the sign-in log tells
// the administrator everything.
func TestRefusalsOfOneClassLookTheSame(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for class, requests := range refusals(t, world, server) {
		t.Run(class, func(t *testing.T) {
			bodies := make(map[string]bool)
			for _, header := range requests {
				response := server.Do(t, harness.HTTP1, harness.Request{Path: "/api/x", Header: header})
				checkProblem(t, server, response)
				bodies[strings.ReplaceAll(response.Body, response.CorrelationID, "")] = true
			}
			if len(bodies) != 1 {
				t.Errorf("%d different bodies: %v", len(bodies), bodies)
			}
		})
	}
}

// checkProblem holds a refusal's headers and problem document (RFC 9457)
// against the contract, and against the sign-in record.
func checkProblem(t *testing.T, server *harness.Server, response harness.Response) {
	t.Helper()
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type is %q", got)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if got := response.Header.Get("X-Ms-Diagnostics"); !strings.HasPrefix(got, "530084;") {
		t.Errorf("x-ms-diagnostics is %q", got)
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(response.Body), &members); err != nil {
		t.Fatal(err)
	}
	record := server.Record(t, response.CorrelationID)
	want := map[string]any{
		"status": float64(response.Status), "code": 530084.0, "correlation_id": record.CorrelationID,
		"sign_in_session_status_code": float64(record.TokenProtectionStatusDetails.Code), "detail": record.Status.FailureReason,
	}
	for name, value := range want {
		if members[name] != value {
			t.Errorf("%s is %v, expected %v", name, members[name], value)
		}
	}
	if title, ok := members["title"].(string); !ok || title == "" || len(members) != len(want)+1 {
		t.Errorf("the members are %v", members)
	}
}

// TestRefusalForPeople: a browser gets a page with the same facts.
func TestRefusalForPeople(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for accept, wantPage := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"application/json, text/html;q=0.5":                               false,
		"*/*":                                                             false,
		"":                                                                false,
	} {
		t.Run(accept, func(t *testing.T) {
			header := http.Header{"Authorization": {"Bearer " + world.AT1}}
			if accept != "" {
				header["Accept"] = []string{accept}
			}
			response := server.Do(t, harness.HTTP2, harness.Request{Path: "/owa/<script>alert(1)</script>", Header: header})
			if !wantPage {
				checkProblem(t, server, response)
				return
			}
			if got := response.Header.Get("Content-Type"); got != "text/html; charset=utf-8" || response.Status != 401 {
				t.Fatalf("got %d with Content-Type %q", response.Status, got)
			}
			records := server.Records(t)
			last := records[len(records)-1]
			for _, fact := range []string{"530084", "1008", last.CorrelationID, last.Status.FailureReason} {
				if !strings.Contains(response.Body, fact) {
					t.Errorf("the page does not say %q", fact)
				}
			}
			if strings.Contains(response.Body, "alert(1)") {
				t.Error("the page repeats what the client sent")
			}
		})
	}
}
