// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// boundSessions are lines of the directive for a web application's sessions,
// with further words of `dbsc`.
func boundSessions(words string) string {
	return "proofs dpop mtls pop dbsc\ndbsc {\nsession_cookie " + harness.AppCookie + "\nuser {http.response.header.X-User}\n" + words + "\n}"
}

// dbscCases are about device-bound sessions. An answer of the product's own
// endpoints never comes from the backend.
var dbscCases = map[string]play{
	"DBSC-001": {send: func(s *stage) []harness.Response { return one(s.enrolled().Get(path)) }},
	"DBSC-002": {
		send: func(s *stage) []harness.Response { return one(s.signedIn().Register()) },
		must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
			notStored(s, response)
			if cookies := strings.Join(response.Header["Set-Cookie"], "\n"); !strings.Contains(cookies, harness.BoundCookie+"=") || !strings.Contains(response.Body, `"session_identifier":"`) {
				s.Errorf("cookies %q, body %s", cookies, response.Body)
			}
		}},
	},
	// One that expired is refused in enforcement/proof/dbsc, which has the clock.
	"DBSC-003": {send: func(s *stage) []harness.Response {
		b := s.signedIn()
		invented := b.Send(b.Post("register", b.Registration(nil, harness.Object{"jti": "invented"})))
		used := b.Post("register", b.Registration(nil, nil))
		s.passes(b.Send(used))
		return []harness.Response{invented, b.Send(used)}
	}},
	"DBSC-007": {
		send: func(s *stage) []harness.Response {
			b := s.enrolled()
			return one(b.Send(b.Post("refresh", "")))
		},
		must: []func(*stage, harness.Response){challengesSession},
	},
	// What reaches the backend is the request that the browser held back meanwhile.
	"DBSC-008": {
		send: func(s *stage) []harness.Response {
			b := s.enrolled()
			before := b.Cookies[harness.BoundCookie]
			s.passes(b.Refresh())
			if after := b.Cookies[harness.BoundCookie]; after == before || after == "" {
				s.Error("no new bound cookie")
			}
			return one(b.Get(path))
		},
		must: []func(*stage, harness.Response){seenWhileSending},
	},
	"DBSC-009": {
		send: func(s *stage) []harness.Response {
			b := s.enrolled()
			return one(b.Send(b.Post("refresh", b.Thief().Proof(nil, nil))))
		},
		must: []func(*stage, harness.Response){challengesSession},
	},
	"DBSC-011": {send: func(s *stage) []harness.Response {
		b := s.enrolled()
		first := b.Post("refresh", b.Proof(nil, nil))
		b.Send(b.Post("refresh", "")) // the other tab gets a newer challenge
		return one(b.Send(first))
	}},
	"DBSC-016": {
		reason: "session_expired", code: 1008,
		send: func(s *stage) []harness.Response { return one(s.expired(path)) },
		must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
			if len(response.Arrivals()) > 0 {
				s.Error("the backend's cookie was forwarded")
			}
		}},
	},
	"DBSC-017": {
		send: func(s *stage) []harness.Response {
			b := s.enrolled()
			thief := b.Thief()
			return one(s.server.VisitorFrom(s, elsewhereAddress, harness.HTTP1).Do(s, thief.Request(http.MethodGet, path)))
		},
		must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
			harness.Eventually(s, "a record of the bound session at another address", func() bool {
				for _, record := range s.server.Records(s) {
					if record.ProofScheme == "dbsc" && record.Raw["IPAddress"] == elsewhereAddress {
						return true
					}
				}
				return false
			})
			for _, cookie := range (&http.Response{Header: s.signedIn().Register().Header}).Cookies() {
				if cookie.Name == harness.BoundCookie && (cookie.MaxAge <= 0 || cookie.MaxAge > 600) {
					s.Errorf("the bound cookie lives for %s s", strconv.Itoa(cookie.MaxAge))
				}
			}
		}},
	},
	"DBSC-020": {
		reason: "session_expired", code: 1008,
		send: func(s *stage) []harness.Response { return one(s.expired("/static/logo.png")) },
		must: []func(*stage, harness.Response){seenWhileSending}, // the scope names no path: see TestScopeIsTheWholeOrigin
	},
}

// elsewhereAddress is another one than the owner's.
const elsewhereAddress = "127.0.0.2"

// signedIn is a browser with a session that is not bound yet.
func (s *stage) signedIn() *harness.Browser {
	s.Helper()
	return signedIn(s, s.server)
}

// enrolled is one whose key is registered.
func (s *stage) enrolled() *harness.Browser {
	s.Helper()
	b := s.signedIn()
	s.passes(b.Register())
	return b
}

// expired plays on a server of its own, where a proof is not good for long,
// and returns the answer to a path once it is not. The stage is that server's
// from then on.
func (s *stage) expired(path string) harness.Response {
	s.Helper()
	s.server = s.Start(s, harness.Options{Handler: boundSessions("bound_life 1s\ngrace 1s")})
	thief := s.enrolled().Thief() // who ignores how long a cookie lives
	var got harness.Response
	harness.Eventually(s, "the end of the proof", func() bool {
		got = thief.Do(thief.Request(http.MethodGet, path))
		return got.Status != http.StatusOK
	})
	return got
}

// challengesSession checks what a refresh must bring, or the browser would
// take it for the end of its session.
func challengesSession(s *stage, response harness.Response) {
	if field := response.Header.Get("Secure-Session-Challenge"); !strings.HasPrefix(field, `"`) || !strings.Contains(field, `";id="`) {
		s.Errorf("Secure-Session-Challenge %q", field)
	}
}
