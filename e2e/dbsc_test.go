// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// webPage is a page of the application that needs a session.
const webPage = "/app/"

// signedIn is a browser with a session of alice's that is not bound yet.
func signedIn(t testing.TB, server *harness.Server) *harness.Browser {
	t.Helper()
	return signedInOver(t, server, harness.HTTP1)
}

func signedInOver(t testing.TB, server *harness.Server, protocol harness.Protocol) *harness.Browser {
	t.Helper()
	b := server.Browser(t, protocol)
	if got := b.Get("/public/signin?user=alice"); got.Status != http.StatusSeeOther || b.Offer == "" {
		t.Fatalf("sign-in: status %d, headers %v", got.Status, got.Header)
	}
	return b
}

// enrolled is one whose key is registered.
func enrolled(t testing.TB, server *harness.Server) *harness.Browser {
	t.Helper()
	b := signedIn(t, server)
	expect(t, b.Register(), http.StatusOK)
	return b
}

// webServer is a server in front of a web application.
func webServer(t testing.TB, words string) *harness.Server {
	t.Helper()
	world := harness.NewWorld(t)
	world.Backend.WebApp()
	return world.Start(t, harness.Options{Handler: boundSessions(words)})
}

func expect(t testing.TB, got harness.Response, status int) {
	t.Helper()
	if got.Status != status {
		t.Fatalf("status %d, expected %d: %v %s", got.Status, status, got.Header, got.Body)
	}
}

// refused checks that a request got nowhere, and for what reason.
func refused(t testing.TB, server *harness.Server, got harness.Response, reason string) {
	t.Helper()
	expect(t, got, http.StatusUnauthorized)
	if len(got.Challenges) > 0 || len(got.Arrivals()) > 0 {
		t.Errorf("challenges %v, %d arrivals", got.Challenges, len(got.Arrivals()))
	}
	record := server.Record(t, got.CorrelationID)
	if details := record.TokenProtectionStatusDetails; record.Status.AdditionalDetails != reason || details.Code != 1008 || details.Status != "unbound" {
		t.Errorf("refused for %q, %+v; expected %q", record.Status.AdditionalDetails, details, reason)
	}
}

// with changes a request's header; an empty value removes a field.
func with(r harness.Request, fields ...string) harness.Request {
	r.Header = r.Header.Clone()
	for i := 0; i < len(fields); i += 2 {
		if r.Header.Set(fields[i], fields[i+1]); fields[i+1] == "" {
			r.Header.Del(fields[i])
		}
	}
	return r
}

// TestBoundSessionOverEveryProtocol: sign-in, registration, page, refresh.
func TestBoundSessionOverEveryProtocol(t *testing.T) {
	server := webServer(t, "")
	for _, protocol := range harness.Protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			b := signedInOver(t, server, protocol)
			expect(t, b.Get(webPage), http.StatusOK) // the browser registers meanwhile
			expect(t, b.Register(), http.StatusOK)
			got := b.Get(webPage)
			expect(t, got, http.StatusOK)
			if cookie := got.Arrivals()[0].Header.Get("Cookie"); got.Body != "Hello alice" || cookie != harness.AppCookie+"="+b.Cookies[harness.AppCookie] {
				t.Errorf("page %q, and the application got the cookies %q", got.Body, cookie)
			}
			expect(t, b.Refresh(), http.StatusOK)
			expect(t, b.Get(webPage), http.StatusOK)
		})
	}
	var graced, bound int
	for _, record := range server.Records(t) {
		switch {
		case record.Status.AdditionalDetails == "session_grace" && record.UserID == "alice" && record.Decision == "allow":
			graced++
		case record.ProofScheme == "dbsc" && record.UserID == "alice" && record.DeviceKeyThumbprint != "" && record.Decision == "allow":
			bound++
		}
	}
	if graced != 3 || bound != 6 {
		t.Errorf("%d records of a grace period, %d of bound sessions; expected 3 and 6", graced, bound)
	}
}

// TestThievesWithCookies: what can be tried with copies of them.
func TestThievesWithCookies(t *testing.T) {
	server := webServer(t, "")
	owner, other := enrolled(t, server), enrolled(t, server)
	alone := func(r harness.Request) harness.Response { return owner.Do(r) }
	t.Run("the application's cookie alone", func(t *testing.T) { // D 1
		refused(t, server, alone(owner.Thief(harness.AppCookie).Request(http.MethodGet, webPage)), "session_unproven")
	})
	t.Run("the browser could not refresh, it is said", func(t *testing.T) { // D 16
		r := owner.Thief(harness.AppCookie).Request(http.MethodGet, webPage)
		refused(t, server, alone(with(r, "Secure-Session-Skipped", `server_error;session_identifier="`+owner.Session+`"`)), "session_unproven")
	})
	t.Run("bound cookies of one session, the application's of another", func(t *testing.T) { // D 3
		thief := owner.Thief(harness.AppCookie)
		thief.Cookies[harness.LinkCookie], thief.Cookies[harness.BoundCookie] = other.Cookies[harness.LinkCookie], other.Cookies[harness.BoundCookie]
		refused(t, server, alone(thief.Request(http.MethodGet, webPage)), "session_mismatched")
	})
	t.Run("two cookies of one name", func(t *testing.T) { // D 25
		for _, name := range []string{harness.AppCookie, harness.LinkCookie, harness.BoundCookie} {
			r := owner.Request(http.MethodGet, webPage)
			got := alone(with(r, "Cookie", name+"=tossed; "+r.Header.Get("Cookie")))
			expect(t, got, http.StatusBadRequest)
			if len(got.Arrivals()) > 0 {
				t.Errorf("%s: it arrived", name)
			}
		}
	})
	t.Run("a WebSocket and a stream of events", func(t *testing.T) { // D 27
		r := owner.Thief(harness.AppCookie).Request(http.MethodGet, webPage)
		refused(t, server, alone(with(r, "Connection", "Upgrade", "Upgrade", "websocket")), "session_unproven")
		refused(t, server, alone(with(r, "Accept", "text/event-stream")), "session_unproven")
	})
	if got := owner.Get(webPage); got.Body != "Hello alice" {
		t.Errorf("the owner got %d %q", got.Status, got.Body)
	}
}

// TestProofIsGoodForItsTimeOnly, whatever the client makes of Max-Age (D 2),
// and who never registers is refused in the end (D 29).
func TestProofIsGoodForItsTimeOnly(t *testing.T) {
	server := webServer(t, "bound_life 1s\ngrace 1s")
	for reason, b := range map[string]*harness.Browser{"session_expired": enrolled(t, server), "session_unproven": signedIn(t, server)} {
		var got harness.Response
		harness.Eventually(t, reason, func() bool {
			got = b.Do(b.Request(http.MethodGet, webPage))
			return got.Status != http.StatusOK
		})
		refused(t, server, got, reason)
		if cookies := strings.Join(got.Header["Set-Cookie"], "\n"); strings.Contains(cookies, harness.AppCookie+"=;") == (reason == "session_expired") {
			t.Errorf("%s: cookies %q", reason, cookies)
		}
		if reason == "session_expired" { // the owner has the key
			b.Refresh()
			expect(t, b.Refresh(), http.StatusOK)
			expect(t, b.Get(webPage), http.StatusOK)
		}
	}
}

// TestRegistrationsThatAreRefused, finally and without a trace.
func TestRegistrationsThatAreRefused(t *testing.T) {
	server := webServer(t, "")
	rsa := server.World.R1
	for name, try := range map[string]func(b *harness.Browser) harness.Request{
		"without any cookie": func(b *harness.Browser) harness.Request {
			return with(b.Post("register", b.Registration(nil, nil)), "Cookie", "")
		}, // D 6
		"without a proof": func(b *harness.Browser) harness.Request { return b.Post("register", "") },
		"another's challenge": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(nil, harness.Object{"jti": signedIn(t, server).Offer}))
		}, // D 7
		"typ of old": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(harness.Object{"typ": "jwt"}, nil))
		}, // D 15
		"alg none": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(harness.Object{"alg": "none"}, nil))
		}, // D 14
		"a private key": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(harness.Object{"jwk": b.Key.PrivateJWK()}, nil))
		},
		"another's key": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(harness.Object{"jwk": server.World.K1.JWK()}, nil))
		},
		"RS256 and a key for ES256": func(b *harness.Browser) harness.Request {
			return b.Post("register", harness.Key{Algorithm: "RS256", Private: rsa.Private}.Sign(harness.Object{"typ": "dbsc+jwt", "alg": "RS256", "jwk": b.Key.JWK()}, harness.Object{"jti": b.Offer}))
		},
		"an algorithm not offered": func(b *harness.Browser) harness.Request {
			return b.Post("register", rsa.Sign(harness.Object{"typ": "dbsc+jwt", "alg": "PS256", "jwk": rsa.JWK()}, harness.Object{"jti": b.Offer}))
		},
		"another site's audience": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(nil, harness.Object{"aud": "https://other.example" + harness.DBSCPath + "/register"}))
		},
		"another site's Origin": func(b *harness.Browser) harness.Request {
			return with(b.Post("register", b.Registration(nil, nil)), "Origin", "https://evil.example")
		}, // D 18
		"cross-site": func(b *harness.Browser) harness.Request {
			return with(b.Post("register", b.Registration(nil, nil)), "Sec-Fetch-Site", "cross-site")
		},
		"without saying where it is": func(b *harness.Browser) harness.Request {
			return with(b.Post("register", b.Registration(nil, nil)), "Origin", "", "Sec-Fetch-Site", "")
		},
		"under the former field name": func(b *harness.Browser) harness.Request {
			r := b.Post("register", "")
			return with(r, "Sec-Session-Response", b.Registration(nil, nil))
		}, // D 17
	} {
		t.Run(name, func(t *testing.T) {
			b := signedIn(t, server)
			got := b.Do(try(b))
			expect(t, got, http.StatusForbidden)
			if len(got.Header["Set-Cookie"]) > 0 || len(got.Arrivals()) > 0 {
				t.Errorf("headers %v, %d arrivals", got.Header, len(got.Arrivals()))
			}
			expect(t, b.Register(), http.StatusOK) // a refused one spends nothing
			thief := b.Thief()
			expect(t, thief.Register(), http.StatusForbidden) // D 5: one key, ever
			expect(t, b.Refresh(), http.StatusOK)
		})
	}
}

// TestRefreshesThatAreRefused bring a challenge with the session's id, so that
// the browser keeps its session, and no proof.
func TestRefreshesThatAreRefused(t *testing.T) {
	server := webServer(t, "")
	rsa := harness.Key{Algorithm: "RS256", Private: server.World.R1.Private}
	for name, try := range map[string]func(b *harness.Browser) harness.Request{
		"without a proof": func(b *harness.Browser) harness.Request { return b.Post("refresh", "") },
		"an invented challenge": func(b *harness.Browser) harness.Request {
			return b.Post("refresh", b.Proof(nil, harness.Object{"jti": "invented"}))
		},
		"that of the registration": func(b *harness.Browser) harness.Request {
			return b.Post("refresh", b.Proof(nil, harness.Object{"jti": b.Offer}))
		},
		"another session's challenge": func(b *harness.Browser) harness.Request {
			return b.Post("refresh", b.Proof(nil, harness.Object{"jti": enrolled(t, server).Challenge}))
		},
		"a proof used before": func(b *harness.Browser) harness.Request {
			r := b.Post("refresh", b.Proof(nil, nil))
			b.Send(r)
			return r
		}, // D 10
		"the thief's key": func(b *harness.Browser) harness.Request { return b.Post("refresh", b.Thief().Proof(nil, nil)) },
		"the thief's key, in it": func(b *harness.Browser) harness.Request {
			thief := b.Thief()
			return b.Post("refresh", thief.Proof(harness.Object{"jwk": thief.Key.JWK()}, nil))
		}, // D 9
		"the own key, in it": func(b *harness.Browser) harness.Request {
			return b.Post("refresh", b.Proof(harness.Object{"jwk": b.Key.JWK()}, nil))
		},
		"typ of old": func(b *harness.Browser) harness.Request {
			return b.Post("refresh", b.Proof(harness.Object{"typ": "jwt"}, nil))
		},
		"alg none": func(b *harness.Browser) harness.Request {
			return b.Post("refresh", b.Proof(harness.Object{"alg": "none"}, nil))
		},
		"RS256 for a key for ES256": func(b *harness.Browser) harness.Request {
			return b.Post("refresh", rsa.Sign(harness.Object{"typ": "dbsc+jwt", "alg": "RS256"}, harness.Object{"jti": b.Challenge}))
		},
		"another session's id": func(b *harness.Browser) harness.Request {
			return with(b.Post("refresh", b.Proof(nil, nil)), "Sec-Secure-Session-Id", enrolled(t, server).Session)
		}, // D 12
		"no id": func(b *harness.Browser) harness.Request {
			return with(b.Post("refresh", b.Proof(nil, nil)), "Sec-Secure-Session-Id", "")
		},
		"an id with a parameter": func(b *harness.Browser) harness.Request {
			return with(b.Post("refresh", b.Proof(nil, nil)), "Sec-Secure-Session-Id", `"`+b.Session+`";x=1`)
		}, // D 13
		"a list of ids": func(b *harness.Browser) harness.Request {
			return with(b.Post("refresh", b.Proof(nil, nil)), "Sec-Secure-Session-Id", b.Session+", "+b.Session)
		},
		"two ids": func(b *harness.Browser) harness.Request {
			r := b.Post("refresh", b.Proof(nil, nil))
			r.Header.Add("Sec-Secure-Session-Id", b.Session)
			return r
		},
		"two proofs": func(b *harness.Browser) harness.Request {
			r := b.Post("refresh", b.Proof(nil, nil))
			r.Header.Add("Secure-Session-Response", b.Proof(nil, nil))
			return r
		},
		"another site's Origin": func(b *harness.Browser) harness.Request {
			return with(b.Post("refresh", b.Proof(nil, nil)), "Origin", "https://evil.example")
		},
		"cross-site": func(b *harness.Browser) harness.Request {
			return with(b.Post("refresh", b.Proof(nil, nil)), "Sec-Fetch-Site", "cross-site")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := enrolled(t, server)
			for range 7 { // D 28
				got := b.Do(try(b))
				expect(t, got, http.StatusForbidden)
				if next := got.Header.Get("Secure-Session-Challenge"); !strings.HasSuffix(next, `;id="`+b.Session+`"`) {
					t.Fatalf("Secure-Session-Challenge %q", next)
				}
				if len(got.Header["Set-Cookie"]) > 0 || len(got.Arrivals()) > 0 {
					t.Fatalf("headers %v, %d arrivals", got.Header, len(got.Arrivals()))
				}
			}
			expect(t, b.Refresh(), http.StatusOK)
		})
	}
}

// TestFieldsInQuotes: as the specification has them, and Chromium has not.
func TestFieldsInQuotes(t *testing.T) {
	server := webServer(t, "")
	b := signedIn(t, server)
	expect(t, b.Send(b.Post("register", `"`+b.Registration(nil, nil)+`"`)), http.StatusOK)
	expect(t, b.Send(with(b.Post("refresh", `"`+b.Proof(nil, nil)+`"`), "Sec-Secure-Session-Id", `"`+b.Session+`"`)), http.StatusOK)
}

// TestOneOfParallelRefreshesIsGranted, with one challenge (D 11); the others
// are challenged, and their browser keeps its session.
func TestOneOfParallelRefreshesIsGranted(t *testing.T) {
	server := webServer(t, "")
	b := enrolled(t, server)
	r := b.Post("refresh", b.Proof(nil, nil))
	var granted, challenged atomic.Int64
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			got, err := server.Try(harness.HTTP1, r)
			switch {
			case err != nil:
				t.Error(err)
			case got.Status == http.StatusOK:
				granted.Add(1)
			case got.Status == http.StatusForbidden && got.Header.Get("Secure-Session-Challenge") != "":
				challenged.Add(1)
			}
		})
	}
	group.Wait()
	if granted.Load() != 1 || challenged.Load() != 19 {
		t.Errorf("%d granted, %d challenged", granted.Load(), challenged.Load())
	}
}

// TestEndpointsAreOurs: nothing below their path reaches the backend, in any
// spelling, and nobody but the browser itself may ask them (D 18, 19, 20).
func TestEndpointsAreOurs(t *testing.T) {
	server := webServer(t, "")
	b := enrolled(t, server)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPost} {
		for path, want := range map[string]int{
			"/register": http.StatusForbidden, "/refresh": http.StatusOK, "/refresh/": http.StatusNotFound, "/%72efresh": http.StatusNotFound,
			"/x/../refresh": http.StatusNotFound, "//refresh": http.StatusNotFound, "": http.StatusNotFound,
		} {
			r := b.Post("refresh", b.Proof(nil, nil))
			r.Method, r.Path = method, harness.DBSCPath+path
			r.Header.Set("Access-Control-Request-Method", "POST")
			if want != http.StatusNotFound && method != http.MethodPost {
				want = http.StatusMethodNotAllowed
			}
			got := b.Send(r)
			if got.Status != want || len(got.Arrivals()) > 0 || got.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: status %d, %d arrivals, %v; expected %d", method, r.Path, got.Status, len(got.Arrivals()), got.Header, want)
			}
			for name := range got.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s: %s", method, r.Path, name)
				}
			}
		}
	}
}

// TestScopeIsTheWholeOrigin: the instructions leave out no path, as the policy
// does not either.
func TestScopeIsTheWholeOrigin(t *testing.T) {
	var told struct {
		Scope struct {
			Origin        string
			IncludeSite   bool  `json:"include_site"`
			Specification []any `json:"scope_specification"`
		}
		Credentials []struct{ Name, Attributes string }
	}
	got := signedIn(t, webServer(t, "")).Register()
	if err := json.Unmarshal([]byte(got.Body), &told); err != nil {
		t.Fatal(err)
	}
	if told.Scope.Origin != harness.Origin || told.Scope.IncludeSite || len(told.Scope.Specification) > 0 || len(told.Credentials) != 1 {
		t.Errorf("%s", got.Body)
	}
	for _, field := range got.Header["Set-Cookie"] {
		if attributes, ok := strings.CutPrefix(field, harness.BoundCookie+"="); ok {
			_, attributes, _ = strings.Cut(attributes, "; ")
			if attributes, _, _ = strings.Cut(attributes, "; Max-Age="); attributes != told.Credentials[0].Attributes {
				t.Errorf("attributes %q, but %q in the instructions: a browser would refresh before each request", attributes, told.Credentials[0].Attributes)
			}
		}
	}
}

// TestSignOutEndsTheBoundSession, copies included (D 21).
func TestSignOutEndsTheBoundSession(t *testing.T) {
	server := webServer(t, "")
	b := enrolled(t, server)
	thief, refresh := b.Thief(), b.Post("refresh", b.Proof(nil, nil))
	expect(t, thief.Do(thief.Request(http.MethodGet, webPage)), http.StatusOK) // the honest limit
	expect(t, b.Get("/app/signout"), http.StatusSeeOther)
	if len(b.Cookies) > 0 {
		t.Errorf("cookies are left: %d", len(b.Cookies))
	}
	refused(t, server, thief.Do(thief.Request(http.MethodGet, webPage)), "session_ended")
	if got := b.Do(refresh); got.Status != http.StatusOK || got.Body != `{"continue":false}` || len(got.Header["Set-Cookie"]) > 0 {
		t.Errorf("refresh: status %d %s", got.Status, got.Body)
	}
}

// TestRotationStaysBound where it was proven (D 22), and so does a sign-in
// anew in the same browser (D 26).
func TestRotationStaysBound(t *testing.T) {
	server := webServer(t, "")
	b := enrolled(t, server)
	before := b.Thief(harness.AppCookie)
	expect(t, b.Get("/app/rotate"), http.StatusOK)
	for _, user := range []string{"alice", "bob"} {
		got := b.Get(webPage)
		if got.Body != "Hello "+user {
			t.Errorf("status %d %q", got.Status, got.Body)
		}
		b.Get("/public/signin?user=bob")
	}
	thief := b.Thief()
	thief.Cookies[harness.AppCookie] = before.Cookies[harness.AppCookie]
	refused(t, server, thief.Do(thief.Request(http.MethodGet, webPage)), "session_mismatched")
}

// TestBackendCannotSpeakForUs: its own device-bound sessions would widen ours
// or end it (D 24), in an informational response as in a final one.
func TestBackendCannotSpeakForUs(t *testing.T) {
	server := webServer(t, "")
	server.World.Backend.Handle("/app/evil", func(w http.ResponseWriter, _ *http.Request) {
		for _, status := range []int{http.StatusEarlyHints, http.StatusOK} {
			w.Header().Set("Secure-Session-Registration", `(ES256);path="/evil";challenge="x"`)
			w.Header().Set("Secure-Session-Challenge", `"x";id="y"`)
			w.Header().Set("Sec-Session-Registration", "x")
			w.Header()["Set-Cookie"] = []string{harness.BoundCookie + "=evil; Path=/; Secure", "theme=dark"}
			w.WriteHeader(status)
		}
	})
	for _, protocol := range harness.Protocols {
		b := signedInOver(t, server, protocol)
		expect(t, b.Register(), http.StatusOK)
		got := b.Get("/app/evil")
		expect(t, got, http.StatusOK)
		if cookies := got.Header["Set-Cookie"]; len(cookies) != 1 || cookies[0] != "theme=dark" {
			t.Errorf("%v: cookies %q", protocol, cookies)
		}
		for _, name := range []string{"Secure-Session-Registration", "Secure-Session-Challenge", "Sec-Session-Registration"} {
			if got.Header.Get(name) != "" {
				t.Errorf("%v: %s", protocol, name)
			}
		}
	}
	informed := server.Informed(t, enrolled(t, server).Request(http.MethodGet, "/app/evil"))
	if len(informed) != 1 {
		t.Fatalf("%d informational responses", len(informed))
	}
	for name := range informed[0] {
		if name == "Set-Cookie" || strings.Contains(name, "Session") {
			t.Errorf("%s in an informational response", name)
		}
	}
}

// TestAnyNodeServesABoundSession with the same secret, and after a restart;
// one that has another secret knows nobody (D 30).
func TestAnyNodeServesABoundSession(t *testing.T) {
	world := harness.NewWorld(t)
	world.Backend.WebApp()
	start := func(secret string) *harness.Server {
		options := harness.Options{Handler: boundSessions(""), Proof: "nonce_secret " + harness.Secret("nonce secret", strings.Repeat(secret, 40))}
		return world.Start(t, options)
	}
	one, two, stranger := start("a"), start("a"), start("b")
	b := signedIn(t, one)
	at := func(server *harness.Server) *harness.Browser {
		b.Do = func(r harness.Request) harness.Response { return server.Do(t, harness.HTTP1, r) }
		return b
	}
	expect(t, at(two).Register(), http.StatusOK)
	expect(t, at(one).Get(webPage), http.StatusOK)
	expect(t, at(two).Refresh(), http.StatusOK)
	expect(t, at(one).Refresh(), http.StatusOK)
	one.Kill()
	one.Run(t)
	expect(t, at(one).Get(webPage), http.StatusOK)
	expect(t, b.Refresh(), http.StatusForbidden) // it cannot know whether that challenge was used
	expect(t, b.Refresh(), http.StatusOK)
	expect(t, b.Get(webPage), http.StatusOK)
	refused(t, stranger, stranger.Do(t, harness.HTTP1, b.Request(http.MethodGet, webPage)), "session_unproven")
}

// TestGroundIsPreparedWhileNothingIsEnforced: sessions are adopted and bound,
// and nobody is refused for being unbound.
func TestGroundIsPreparedWhileNothingIsEnforced(t *testing.T) {
	world := harness.NewWorld(t)
	world.Backend.WebApp()
	server := world.Start(t, harness.Options{Handler: boundSessions("grace 1s"), Policies: harness.PolicyReportOnly})
	b := enrolled(t, server)
	expect(t, b.Get(webPage), http.StatusOK)
	thief := b.Thief(harness.AppCookie)
	got := thief.Do(thief.Request(http.MethodGet, webPage))
	if got.Status != http.StatusOK || got.Body != "Hello alice" || len(got.Header["Set-Cookie"]) > 0 {
		t.Errorf("status %d %q, cookies %q", got.Status, got.Body, got.Header["Set-Cookie"])
	}
	harness.Eventually(t, "the records of both", func() bool {
		var bound, failed bool
		for _, record := range server.Records(t) {
			bound = bound || record.ProofScheme == "dbsc" && strings.Contains(record.ConditionalAccessPolicies, "reportOnlySuccess")
			failed = failed || record.Status.AdditionalDetails == "session_unproven" && strings.Contains(record.ConditionalAccessPolicies, "reportOnlyFailure")
		}
		return bound && failed
	})
}
