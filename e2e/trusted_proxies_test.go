// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestForwardedHeadersCountFromTrustedProxiesOnly: the URL that the client
// addressed, which its proof names, and its address.
func TestForwardedHeadersCountFromTrustedProxiesOnly(t *testing.T) {
	world := harness.NewWorld(t)
	servers := map[bool]*harness.Server{
		true:  world.Start(t, harness.Options{Global: "\tservers {\n\t\ttrusted_proxies static 127.0.0.1/32\n\t}"}),
		false: world.Start(t, harness.Options{Global: "\tservers {\n\t\ttrusted_proxies static 192.0.2.0/24\n\t}"}),
	}
	const public, direct = "https://public.example/x", harness.Origin + "/x"
	forwarded := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"public.example"}, "X-Forwarded-For": {"203.0.113.9"}}
	for _, test := range []struct {
		name      string
		trusted   bool
		forwarded http.Header
		htu       string
		audience  string
		status    int
		address   string
	}{
		{"the public URL through the proxy", true, forwarded, public, "https://public.example", 200, "203.0.113.9"},
		{"the inner URL through the proxy", true, forwarded, direct, "https://public.example", 401, "203.0.113.9"},
		{"a token for the inner host through the proxy", true, forwarded, public, harness.Origin, 401, "203.0.113.9"},
		{"nothing forwarded", true, nil, direct, harness.Origin, 200, "127.0.0.1"},
		{"plain http in front of the proxy", true, http.Header{"X-Forwarded-Proto": {"http"}, "X-Forwarded-For": {"203.0.113.9"}}, direct, harness.Origin, 401, "203.0.113.9"},
		{"an untrusted peer's public URL", false, forwarded, public, "https://public.example", 401, "127.0.0.1"},
		{"an untrusted peer's token for the public host", false, forwarded, direct, "https://public.example", 401, "127.0.0.1"},
		{"an untrusted peer's real URL", false, forwarded, direct, harness.Origin, 200, "127.0.0.1"},
		{"Forwarded of RFC 7239 counts for nothing", true, http.Header{"Forwarded": {"proto=https;host=public.example;for=203.0.113.9"}}, public, "https://public.example", 401, "127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := servers[test.trusted]
			id := harness.NewID()
			token := world.Issuer.Mint(harness.With(harness.BoundTo(world.K1), harness.Object{"aud": test.audience, "jti": id}))
			header := harness.Credentials(token, harness.Proof{
				Key: world.K1, Token: token, Path: "/x", Nonce: server.Nonce(t), Claims: harness.Object{"htu": test.htu},
			}.Sign())
			for name, values := range test.forwarded {
				header[name] = values
			}
			got := server.Do(t, harness.HTTP1, harness.Request{Path: "/x", Header: header})
			if got.Status != test.status || (len(got.Arrivals()) == 1) != (test.status == 200) {
				t.Errorf("status %d %q, %d arrivals; want %d", got.Status, got.Error, len(got.Arrivals()), test.status)
			}
			var record harness.Record
			if test.status == 200 {
				record = recordOf(t, server, id)
			} else {
				record = server.Record(t, got.CorrelationID)
			}
			if address := record.Raw["IPAddress"]; address != test.address {
				t.Errorf("the record says the client is %v, want %s", address, test.address)
			}
		})
	}
}
