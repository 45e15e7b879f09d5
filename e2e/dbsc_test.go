// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"strings"
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

// TestFieldsInQuotes: as the specification has them, and Chromium has not.
func TestFieldsInQuotes(t *testing.T) {
	server := webServer(t, "")
	b := signedIn(t, server)
	expect(t, b.Send(b.Post("register", `"`+b.Registration(nil, nil)+`"`)), http.StatusOK)
	expect(t, b.Send(with(b.Post("refresh", `"`+b.Proof(nil, nil)+`"`), "Sec-Secure-Session-Id", `"`+b.Session+`"`)), http.StatusOK)
}

// TestAnyNodeServesABoundSession with the same secret, and after a restart;
// one that has another secret knows nobody.
func TestAnyNodeServesABoundSession(t *testing.T) {
	world := harness.NewWorld(t)
	world.Backend.WebApp()
	start := func(secret string) *harness.Server {
		options := harness.Options{Handler: boundSessions(""), Proof: "nonce_secret " + harness.Secret("nonce secret", "sealed-with-"+strings.Repeat(secret, 40))}
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

// TestSessionsOfASharedMemoryThatHasJustBegun: a browser that signs in as soon
// as the nodes are up is bound at all of them.
func TestSessionsOfASharedMemoryThatHasJustBegun(t *testing.T) {
	world, redis := harness.NewWorld(t), harness.StartRedis(t)
	world.Backend.WebApp()
	start := func() *harness.Server {
		options := harness.Node(redis.Address)
		options.Handler = boundSessions("")
		return world.Start(t, options)
	}
	one, two := start(), start()
	settled(t, one, world)
	settled(t, two, world)
	b := signedIn(t, one)
	at := func(server *harness.Server) *harness.Browser {
		b.Do = func(r harness.Request) harness.Response { return server.Do(t, harness.HTTP1, r) }
		return b
	}
	expect(t, at(two).Register(), http.StatusOK)
	expect(t, at(one).Get(webPage), http.StatusOK)
	expect(t, at(one).Refresh(), http.StatusOK)
	expect(t, at(two).Refresh(), http.StatusOK)
}
