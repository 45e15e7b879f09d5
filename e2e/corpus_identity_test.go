// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// identityCases are about who the backend thinks the client is. What it is
// told is set with header_up, as the module emits no identity headers itself.
var identityCases = map[string]play{
	"HTTP-029": {send: sending(http.Header{"X-Auth-User": {"admin"}}), must: []func(*stage, harness.Response){seesAlice}},
	"HTTP-030": {
		send: sending(http.Header{"X_Auth_User": {"admin"}, "X-Auth_User": {"admin"}, "x.auth.user": {"admin"}}),
		must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
			seesAlice(s, response)
			for name, values := range response.Arrivals()[0].Header {
				if slices.Contains(values, "admin") {
					s.Errorf("the backend saw the alias %s", name)
				}
			}
		}},
	},
	"HTTP-031": {send: func(s *stage) []harness.Response {
		s.server = s.Start(s, harness.Options{Site: identityHeaders(s.World)})
		id := harness.NewID()
		return one(s.server.Raw(s, id, wire(id, "GET "+path+" HTTP/1.1", append(credentials(s, s.server, "GET", path), "Connection: close, X-Auth-User")...)))
	}, must: []func(*stage, harness.Response){seesAlice}},
	"HTTP-034": {send: func(s *stage) []harness.Response {
		s.server = s.Start(s, harness.Options{Site: identityHeaders(s.World)})
		token := s.Issuer.Mint(harness.With(harness.BoundTo(s.K1), harness.Object{"upn": nil, "sub": "no-name"}))
		header := harness.Credentials(token, harness.Proof{Key: s.K1, Token: token, Path: path, Nonce: s.server.Nonce(s)}.Sign())
		header["X-Auth-Device"] = []string{"admin@corp"}
		return one(s.server.Do(s, harness.HTTP1, harness.Request{Path: path, Header: header}))
	}, must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
		if got := strings.Join(response.Arrivals()[0].Header.Values("X-Auth-Device"), ""); got != "" {
			s.Errorf("the backend saw a device %q that the token does not name", got)
		}
	}}},
	"HTTP-037": {reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response { return one(s.get(forwarded)) }, must: []func(*stage, harness.Response){
		func(s *stage, response harness.Response) {
			if got := s.server.Record(s, response.CorrelationID).Raw["IPAddress"]; got != "127.0.0.1" {
				s.Errorf("the record says %v, not the TCP peer", got)
			}
		},
		func(s *stage, _ harness.Response) {
			request := s.Bound("GET", path, s.server.Nonce(s))
			for name, values := range forwarded {
				request.Header[name] = values
			}
			got := s.passes(s.server.Do(s, harness.HTTP1, request)).Arrivals()[0].Header
			for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": harness.Host} {
				if values := got.Values(name); !slices.Equal(values, []string{want}) {
					s.Errorf("the backend saw %s: %q", name, values)
				}
			}
		},
	}},
	"HTTP-038": {reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		var responses []harness.Response
		for _, name := range rewriters {
			responses = append(responses, s.server.Do(s, harness.HTTP1, harness.Request{Path: "/owa/x", Header: http.Header{name: {"/public/a"}}}))
		}
		return responses
	}, must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
		for _, name := range rewriters { // and the reverse, at a path that needs no token
			got := s.server.Do(s, harness.HTTP1, harness.Request{Path: "/public/a", Header: http.Header{name: {"/owa/x"}}})
			for _, arrival := range got.Arrivals() {
				if values := arrival.Header.Values(name); len(values) > 0 {
					s.Errorf("status %d; without a token the backend saw %s: %q", got.Status, name, values)
				}
			}
		}
	}}},
	"HTTP-068": {send: func(s *stage) []harness.Response {
		s.server = s.Start(s, harness.Options{Handler: "forward none"})
		return one(s.server.Do(s, harness.HTTP1, s.Bound("GET", path, s.server.Nonce(s))))
	}, must: []func(*stage, harness.Response){
		func(s *stage, response harness.Response) { absent(s, response, "Dpop") },
		func(s *stage, response harness.Response) { absent(s, response, "Authorization") },
	}},
}

// forwarded is what a client may claim about itself, and about its request.
var forwarded = http.Header{
	"X-Forwarded-For": {"10.0.0.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"public.example"},
	"X-Forwarded-Port": {"80"}, "X-Forwarded-Prefix": {"/public"}, "X-Forwarded-Uri": {"/public/a"}, "X-Forwarded-Method": {"OPTIONS"},
	"Forwarded": {`for=10.0.0.1;proto=http;host=public.example`}, "X-Real-Ip": {"10.0.0.1"}, "True-Client-Ip": {"10.0.0.1"},
}

// rewriters are header fields that make some backends serve another path than
// the one in the request line.
var rewriters = []string{"X-Original-Url", "X-Rewrite-Url"}

// sending sends a bound request with more header fields to a site that tells
// its backend who the user is.
func sending(more http.Header) func(*stage) []harness.Response {
	return func(s *stage) []harness.Response {
		s.server = s.Start(s, harness.Options{Site: identityHeaders(s.World)})
		request := s.Bound("GET", path, s.server.Nonce(s))
		for name, values := range more {
			request.Header[name] = values
		}
		return one(s.server.Do(s, harness.HTTP1, request))
	}
}

func seesAlice(s *stage, response harness.Response) {
	if got := response.Arrivals()[0].Header.Values("X-Auth-User"); !slices.Equal(got, []string{"alice@contoso.example"}) {
		s.Errorf("the backend saw X-Auth-User %q", got)
	}
}

func absent(s *stage, response harness.Response, name string) {
	if got := response.Arrivals()[0].Header.Values(name); len(got) > 0 {
		s.Errorf("the backend saw %s (%d values)", name, len(got))
	}
}

// identityHeaders are the Caddyfile lines that tell the backend who the user
// is, as Caddyfile.example does, and that keep from it the names which some
// backends fold into those.
func identityHeaders(world *harness.World) string {
	return `handle {
	reverse_proxy ` + world.Backend.Address + ` {
		header_up X-Auth-User {http.token_protection.user}
		header_up X-Auth-Device {http.token_protection.device_id}
		header_up X-Auth-Status {http.token_protection.status}
		header_up X-Auth-Scheme {http.token_protection.scheme}
		header_up X-Auth-Thumbprint {http.token_protection.thumbprint}
		header_up X-Auth-Code {http.token_protection.code}
		header_up X-Auth-Decision {http.token_protection.decision}
		header_up X-Auth-Correlation {http.token_protection.correlation_id}
		header_up -X_Auth_*
		header_up -X-Auth_*
		header_up -X.Auth.*
	}
}`
}
