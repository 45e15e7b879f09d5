// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestThievesWithCookies: what can be tried with copies of them.
func TestThievesWithCookies(t *testing.T) {
	server := webServer(t, "")
	owner, other := enrolled(t, server), enrolled(t, server)
	alone := func(r harness.Request) harness.Response { return owner.Do(r) }
	t.Run("the application's cookie alone", func(t *testing.T) {
		refused(t, server, alone(owner.Thief(harness.AppCookie).Request(http.MethodGet, webPage)), "session_unproven")
	})
	t.Run("the browser could not refresh, it is said", func(t *testing.T) {
		r := owner.Thief(harness.AppCookie).Request(http.MethodGet, webPage)
		refused(t, server, alone(with(r, "Secure-Session-Skipped", `server_error;session_identifier="`+owner.Session+`"`)), "session_unproven")
	})
	t.Run("all but the bound cookie, once a page was loaded with it", func(t *testing.T) {
		expect(t, other.Send(with(other.Request(http.MethodGet, webPage), "Sec-Fetch-Mode", "navigate")), http.StatusOK)
		refused(t, server, alone(other.Thief(harness.AppCookie, harness.LinkCookie).Request(http.MethodGet, webPage)), "session_expired")
	})
	t.Run("bound cookies of one session, the application's of another", func(t *testing.T) {
		thief := owner.Thief(harness.AppCookie)
		thief.Cookies[harness.LinkCookie], thief.Cookies[harness.BoundCookie] = other.Cookies[harness.LinkCookie], other.Cookies[harness.BoundCookie]
		refused(t, server, alone(thief.Request(http.MethodGet, webPage)), "session_mismatched")
	})
	t.Run("two cookies of one name", func(t *testing.T) {
		for _, name := range []string{harness.AppCookie, harness.LinkCookie, harness.BoundCookie} {
			r := owner.Request(http.MethodGet, webPage)
			got := alone(with(r, "Cookie", name+"=tossed; "+r.Header.Get("Cookie")))
			expect(t, got, http.StatusBadRequest)
			if len(got.Arrivals()) > 0 {
				t.Errorf("%s: it arrived", name)
			}
		}
	})
	t.Run("a WebSocket and a stream of events", func(t *testing.T) {
		r := owner.Thief(harness.AppCookie).Request(http.MethodGet, webPage)
		refused(t, server, alone(with(r, "Connection", "Upgrade", "Upgrade", "websocket")), "session_unproven")
		refused(t, server, alone(with(r, "Accept", "text/event-stream")), "session_unproven")
	})
	if got := owner.Get(webPage); got.Body != "Hello alice" {
		t.Errorf("the owner got %d %q", got.Status, got.Body)
	}
}

// TestProofIsGoodForItsTimeOnly, whatever the client makes of Max-Age,
// and who never registers is refused in the end.
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
		},
		"without a proof": func(b *harness.Browser) harness.Request { return b.Post("register", "") },
		"another's challenge": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(nil, harness.Object{"jti": signedIn(t, server).Offer}))
		},
		"typ of old": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(harness.Object{"typ": "jwt"}, nil))
		},
		"alg none": func(b *harness.Browser) harness.Request {
			return b.Post("register", b.Registration(harness.Object{"alg": "none"}, nil))
		},
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
		},
		"cross-site": func(b *harness.Browser) harness.Request {
			return with(b.Post("register", b.Registration(nil, nil)), "Sec-Fetch-Site", "cross-site")
		},
		"without saying where it is": func(b *harness.Browser) harness.Request {
			return with(b.Post("register", b.Registration(nil, nil)), "Origin", "", "Sec-Fetch-Site", "")
		},
		"under the former field name": func(b *harness.Browser) harness.Request {
			r := b.Post("register", "")
			return with(r, "Sec-Session-Response", b.Registration(nil, nil))
		},
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
			expect(t, thief.Register(), http.StatusForbidden) // one key, ever
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
		},
		"the thief's key": func(b *harness.Browser) harness.Request { return b.Post("refresh", b.Thief().Proof(nil, nil)) },
		"the thief's key, in it": func(b *harness.Browser) harness.Request {
			thief := b.Thief()
			return b.Post("refresh", thief.Proof(harness.Object{"jwk": thief.Key.JWK()}, nil))
		},
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
		},
		"no id": func(b *harness.Browser) harness.Request {
			return with(b.Post("refresh", b.Proof(nil, nil)), "Sec-Secure-Session-Id", "")
		},
		"an id with a parameter": func(b *harness.Browser) harness.Request {
			return with(b.Post("refresh", b.Proof(nil, nil)), "Sec-Secure-Session-Id", `"`+b.Session+`";x=1`)
		},
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
			for range 7 {
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

// TestOneOfParallelRefreshesIsGranted, with one challenge; the others
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
