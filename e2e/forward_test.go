// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestForwardModes: what the backend gets of the credentials, for each mode.
func TestForwardModes(t *testing.T) {
	world := harness.NewWorld(t)
	for mode, want := range map[string]struct {
		authorization []string // of a bound request
		proof         bool
	}{
		"":                  {[]string{"DPoP " + world.AT1}, true},
		"forward unchanged": {[]string{"DPoP " + world.AT1}, true},
		"forward bearer":    {[]string{"Bearer " + world.AT1}, false},
		"forward none":      {nil, false},
	} {
		t.Run(mode, func(t *testing.T) {
			server := world.Start(t, harness.Options{Handler: mode})
			for _, protocol := range harness.Protocols {
				request := world.Bound("GET", "/x", server.Nonce(t))
				request.Header["Secure-Session-Response"] = []string{"abc"}
				request.Header["Cookie"] = []string{"a=b; x-ms-RefreshTokenCredential=eyJ; c=d"}
				request.Header["X-Ms-Refreshtokencredential1"] = []string{"eyJ"}
				request.Header["X-Ms-Devicecredential"] = []string{"eyJ"}
				request.Header["Client-Cert"] = []string{":MIIB:"}
				request.Header["X-Arr-Clientcert"] = []string{"MIIB"}
				got := server.Do(t, protocol, request)
				if got.Status != 200 || len(got.Arrivals()) != 1 {
					t.Fatalf("%v: status %d, %d arrivals", protocol, got.Status, len(got.Arrivals()))
				}
				header := got.Arrivals()[0].Header
				if !slices.Equal(header["Authorization"], want.authorization) {
					t.Errorf("%v: the backend saw %d Authorization lines, and not the right ones", protocol, len(header["Authorization"]))
				}
				for _, name := range []string{"Dpop", "Secure-Session-Response"} {
					if (len(header[name]) == 1) != want.proof {
						t.Errorf("%v: the backend saw %d %s lines", protocol, len(header[name]), name)
					}
				}
				for _, name := range []string{"X-Ms-Refreshtokencredential1", "X-Ms-Devicecredential", "Client-Cert", "X-Arr-Clientcert"} {
					if len(header[name]) > 0 {
						t.Errorf("%v: the backend saw %s", protocol, name)
					}
				}
				if cookies := header["Cookie"]; !slices.Equal(cookies, []string{"a=b; c=d"}) {
					t.Errorf("%v: the backend saw the cookies %q", protocol, cookies)
				}
			}
		})
	}
}

// TestForwardsNothingUnverifiedAsBearer: `forward bearer` under report-only
// does not make a Bearer token of what was not verified.
func TestForwardsNothingUnverifiedAsBearer(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Policies: harness.PolicyReportOnly, Handler: "forward bearer"})
	got := server.Do(t, harness.HTTP1, harness.Request{Path: "/x", Header: http.Header{"Authorization": {"DPoP forged.to.ken"}, "Dpop": {"x.y.z"}}})
	if got.Status != 200 || len(got.Arrivals()) != 1 {
		t.Fatalf("status %d, %d arrivals", got.Status, len(got.Arrivals()))
	}
	if authorization := got.Arrivals()[0].Header.Get("Authorization"); authorization != "DPoP forged.to.ken" {
		t.Errorf("the backend saw Authorization: %s", authorization)
	}
}

// TestPlaceholdersReachTheBackend through header_up, and say what the sign-in
// record says.
func TestPlaceholdersReachTheBackend(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Site: identityHeaders(world)})
	uuid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	token := world.Issuer.Mint(harness.With(harness.BoundTo(world.K1), harness.Object{"deviceid": "d1", "jti": "placeholders"}))
	bound := harness.Credentials(token, harness.Proof{Key: world.K1, Token: token, Path: "/x", Nonce: server.Nonce(t)}.Sign())
	for name, test := range map[string]struct {
		path   string
		header http.Header
		want   map[string]string
	}{
		"bound": {"/x", bound, map[string]string{"User": "alice@contoso.example", "Device": "d1", "Status": "bound", "Scheme": "dpop",
			"Thumbprint": world.K1.Thumbprint(), "Code": "0", "Decision": "allow"}},
		"excluded": {"/x", bearer(world.Issuer.Mint(breakGlass)), map[string]string{"User": "emergency@contoso.example", "Device": "", "Status": "unbound",
			"Scheme": "", "Thumbprint": "", "Code": "1002", "Decision": "allow"}},
		"exempt": {"/public/a", bearer(world.AT1), map[string]string{"User": "", "Device": "", "Status": "unbound", "Scheme": "", "Thumbprint": "", "Decision": "allow"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := server.Do(t, harness.HTTP1, harness.Request{Path: test.path, Header: test.header})
			if got.Status != 200 || len(got.Arrivals()) != 1 {
				t.Fatalf("status %d, %d arrivals", got.Status, len(got.Arrivals()))
			}
			header := got.Arrivals()[0].Header
			for fact, want := range test.want {
				if value := header.Get("X-Auth-" + fact); value != want {
					t.Errorf("X-Auth-%s: %q, want %q", fact, value, want)
				}
			}
			if id := header.Get("X-Auth-Correlation"); !uuid.MatchString(id) {
				t.Errorf("X-Auth-Correlation: %q", id)
			} else if name == "bound" && recordOf(t, server, "placeholders").CorrelationID != id {
				t.Error("the record has another correlation id")
			}
		})
	}
}

// TestHandleErrorsWritesTheBody of a refusal, with the placeholders; status,
// challenges and headers stay the same.
func TestHandleErrorsWritesTheBody(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Site: `handle_errors {
	respond "refused: {err.status_code} {err.message}, {http.token_protection.code} {http.token_protection.decision} of {http.token_protection.user}"
}`})
	stolen := server.Do(t, harness.HTTP2, harness.Request{Path: "/x", Header: bearer(world.AT1)})
	none := server.Do(t, harness.HTTP1, harness.Request{Path: "/x"})
	twice := server.Do(t, harness.HTTP1, harness.Request{Path: "/x", Header: http.Header{"Authorization": {"Bearer a", "Bearer b"}}})
	const binding = "The access token is not usable without proof of possession of the key it is bound to."
	for _, test := range []struct {
		got    harness.Response
		status int
		body   string
	}{
		{stolen, 401, "refused: 401 " + binding + ", 1008 block of alice@contoso.example"},
		{none, 401, "refused: 401 This resource requires an access token that is bound to the device., 1002 block of "},
		{twice, 400, "refused: 400 The request must carry exactly one access token, in the Authorization header., 1005 block of "},
	} {
		if test.got.Status != test.status || test.got.Body != test.body {
			t.Errorf("status %d, body %q; want %d, %q", test.got.Status, test.got.Body, test.status, test.body)
		}
		if test.got.Header.Get("Cache-Control") != "no-store" || len(test.got.Challenges) == 0 || len(test.got.Arrivals()) > 0 {
			t.Errorf("headers %v, %d arrivals", test.got.Header, len(test.got.Arrivals()))
		}
	}
}
