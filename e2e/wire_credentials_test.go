// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// wire is a request of HTTP/1.1 as it stands on the wire: the request line,
// the fields as they are written here, no body.
func wire(id, requestLine string, fields ...string) string {
	lines := append([]string{requestLine, "Host: " + harness.Host, harness.IDHeader + ": " + id}, fields...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// credentials are the fields of a request for a path that would pass.
func credentials(t testing.TB, s *harness.Server, method, path string) []string {
	t.Helper()
	header := s.World.Bound(method, path, s.Nonce(t)).Header
	return []string{"Authorization: " + header.Get("Authorization"), "DPoP: " + header.Get("Dpop")}
}

func TestRefusesWhatIsAmbiguousOnTheWire(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Site: "log_skip"}) // which shows what stands under an alias
	const path = "/wire"
	proof := func() string {
		return harness.Proof{Key: world.K1, Token: world.AT1, Path: path, Nonce: server.Nonce(t)}.Sign()
	}
	token, other := "Authorization: DPoP "+world.AT1, "Authorization: Bearer "+world.ATb
	for _, test := range []struct {
		name   string
		fields []string
		status int
		error  string
	}{
		{"control: one token, one proof", []string{token, "DPoP: " + proof()}, 200, ""},
		{"control: field names in any case", []string{"aUTHORIZATION: dpop " + world.AT1, "dPoP: " + proof()}, 200, ""},
		{"two Authorization lines", []string{token, other, "DPoP: " + proof()}, 400, "invalid_request"},
		{"the same Authorization line twice", []string{token, token, "DPoP: " + proof()}, 400, "invalid_request"},
		{"an empty second Authorization line", []string{token, "Authorization: ", "DPoP: " + proof()}, 400, "invalid_request"},
		{"two Authorization lines in different case", []string{token, "authorization: Bearer " + world.ATb, "DPoP: " + proof()}, 400, "invalid_request"},
		{"two tokens in one line", []string{token + ", Bearer " + world.ATb, "DPoP: " + proof()}, 400, "invalid_request"},
		{"two DPoP lines", []string{token, "DPoP: " + proof(), "DPoP: " + proof()}, 400, "invalid_request"},
		{"two DPoP lines, one empty", []string{token, "DPoP: ", "DPoP: " + proof()}, 400, "invalid_request"},
		{"two proofs joined by a proxy", []string{token, "DPoP: " + proof() + ", " + proof()}, 401, "invalid_dpop_proof"},
		{"the proof under aliases", []string{token, "D_PoP: " + proof(), "X-DPoP: " + proof(), "DPoP_: " + proof()}, 401, "invalid_token"},
		{"the token under aliases", []string{"X-Authorization: DPoP " + world.AT1, "Authorization_: DPoP " + world.AT1, "DPoP: " + proof()}, 401, ""},
		{"the token for the proxy instead of the origin", []string{"Proxy-Authorization: DPoP " + world.AT1, "DPoP: " + proof()}, 401, ""},
		{"Connection nominates Authorization", []string{"Connection: close, Authorization", token, "DPoP: " + proof()}, 400, "invalid_request"},
		{"Connection nominates DPoP", []string{"Connection: dpop", token, "DPoP: " + proof()}, 400, "invalid_request"},
		{"a second Connection line nominates DPoP", []string{"Connection: close", "Connection:\tDPOP\t", token, "DPoP: " + proof()}, 400, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := harness.NewID()
			got := server.Raw(t, id, wire(id, "GET "+path+" HTTP/1.1", test.fields...))
			if got.Status != test.status || got.Error != test.error {
				t.Errorf("status %d, error %q; want %d, %q", got.Status, got.Error, test.status, test.error)
			}
			if arrived := len(got.Arrivals()); (arrived == 1) != (test.status == 200) || arrived > 1 {
				t.Errorf("%d arrivals at the backend", arrived)
			}
		})
	}
}

// TestRefusalsOfTheFramingAreRecorded: a refusal has a correlation id that its
// sign-in record has too, also where it came before any look at a credential.
func TestRefusalsOfTheFramingAreRecorded(t *testing.T) {
	server := harness.NewWorld(t).Start(t, harness.Options{})
	id := harness.NewID()
	got := server.Raw(t, id, wire(id, "GET /wire HTTP/1.1", append(credentials(t, server, "GET", "/wire"), "Connection: DPoP")...))
	if got.Status != 400 || got.CorrelationID == "" {
		t.Fatalf("status %d, correlation id %q", got.Status, got.CorrelationID)
	}
	if record := server.Record(t, got.CorrelationID); record.Decision != "block" || record.TokenProtectionStatusDetails.Code != 1005 {
		t.Errorf("decision %s, code %d", record.Decision, record.TokenProtectionStatusDetails.Code)
	}
}

// TestTrailersAreNoHeaders sends the credentials, and later what the backend
// trusts, as trailers: neither is ever taken for a header.
func TestTrailersAreNoHeaders(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Site: identityHeaders(world)})
	chunked := func(id string, fields []string, trailers ...string) string {
		fields = append(fields, "Transfer-Encoding: chunked", "Trailer: X-Auth-User, X-Other")
		return wire(id, "POST /trailers HTTP/1.1", fields...) + "2\r\nok\r\n0\r\n" + strings.Join(trailers, "\r\n") + "\r\n\r\n"
	}
	t.Run("credentials", func(t *testing.T) {
		id := harness.NewID()
		got := server.Raw(t, id, chunked(id, nil, credentials(t, server, "POST", "/trailers")...))
		if got.Status != 401 || len(got.Arrivals()) != 0 {
			t.Errorf("status %d, %d arrivals; want a challenge", got.Status, len(got.Arrivals()))
		}
	})
	t.Run("identity", func(t *testing.T) {
		id := harness.NewID()
		got := server.Raw(t, id, chunked(id, credentials(t, server, "POST", "/trailers"), "X-Auth-User: admin"))
		if got.Status != 200 || len(got.Arrivals()) != 1 {
			t.Fatalf("status %d, %d arrivals", got.Status, len(got.Arrivals()))
		}
		if users := got.Arrivals()[0].Header.Values("X-Auth-User"); len(users) != 1 || users[0] != "alice@contoso.example" {
			t.Errorf("the backend saw X-Auth-User %q", users)
		}
	})
}
