// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// refused checks that the thief's request does not reach the application.
func (s *site) refused(w int, want Status) {
	s.t.Helper()
	s.wantStatus(want)
	if w != http.StatusUnauthorized || s.received != nil {
		s.t.Fatalf("status %d, reached the application: %v", w, s.received != nil)
	}
}

func TestThiefWithTheApplicationsCookieAlone(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	s.refused(b.thief("FedAuth").get("/").Code, Unproven)

	unregistered := s.newBrowser() // within the grace period, which is the owner's
	unregistered.signIn("FedAuth=bob-1; Path=/")
	s.refused(unregistered.thief("FedAuth").get("/").Code, Unproven)
}

func TestThiefWithCookieAndLink(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	thief := b.thief("FedAuth", linkCookie)
	thief.get("/")
	s.wantStatus(Grace) // the honest limit of the grace period
	s.now = s.now.Add(DefaultGrace)
	s.refused(thief.get("/").Code, Unproven)
}

func TestThiefWithAllCookiesIsGoodUntilTheBoundOneExpires(t *testing.T) {
	s := newSite(t)
	thief := s.enrolled().thief()
	wantCode(t, thief.get("/"), http.StatusOK)
	s.now = s.now.Add(DefaultBoundLife - time.Millisecond)
	wantCode(t, thief.get("/"), http.StatusOK)
	s.now = s.now.Add(time.Millisecond)
	s.refused(thief.get("/").Code, Expired)
}

func TestBoundCookieOfOneSessionWithCookieOfAnother(t *testing.T) {
	s := newSite(t)
	victim := s.enrolled("FedAuth=alice-1; Path=/")
	thief := s.enrolled("FedAuth=mallory-1; Path=/")
	s.now = s.now.Add(DefaultGrace)

	mixed := thief.thief()
	mixed.cookies["FedAuth"] = victim.cookies["FedAuth"] // own link, own proof
	s.refused(mixed.get("/").Code, Mismatched)
	mixed = thief.thief()
	mixed.cookies["FedAuth"] = victim.cookies["FedAuth"]
	mixed.cookies[linkCookie] = victim.cookies[linkCookie] // victim's link, own proof
	s.refused(mixed.get("/").Code, Mismatched)
}

func TestBoundCookieInTheLinksPlace(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	link := b.cookies[linkCookie]
	s.now = s.now.Add(DefaultGrace)
	b.cookies[boundCookie] = link
	s.refused(b.get("/").Code, Unproven)
	b = s.enrolled()
	b.cookies[linkCookie] = b.cookies[boundCookie]
	s.refused(b.get("/").Code, Unproven)
}

func TestCookiesOfAnotherSiteWithTheSameSecret(t *testing.T) {
	s := newSite(t)
	s.addNode(func(c *Config) { c.Origin = func(*http.Request) string { return "https://other.example.test" } })
	b := s.enrolled()
	b.node = 1
	s.refused(b.get("/").Code, Unproven)
}

func TestRegistrationRefused(t *testing.T) {
	for name, test := range map[string]struct {
		attempt func(s *site, victim *browser) *http.Request
		want    reason.Reason
	}{
		"replayed": {func(s *site, v *browser) *http.Request {
			jwt, thief := v.registration(), v.thief()
			v.register()
			return thief.post("register", jwt)
		}, reason.ProofReplayed},
		"own key after the owner's, with all the owner had before": {func(s *site, v *browser) *http.Request {
			thief := v.thief()
			v.register()
			thief.offer = v.offer
			return thief.post("register", thief.registration())
		}, reason.ProofReplayed},
		"own key with all of the owner's cookies": {func(s *site, v *browser) *http.Request {
			v.register()
			thief := v.thief()
			thief.offer = v.offer
			return thief.post("register", thief.registration())
		}, reason.ProofReplayed},
		"own key with all of the owner's cookies on a node that knows nothing": {func(s *site, v *browser) *http.Request {
			v.register()
			s.nodes[0] = s.addNode()
			thief := v.thief()
			thief.offer = v.offer
			return thief.post("register", thief.registration())
		}, reason.ProofReplayed},
		"with a challenge of his own sign-in": {func(s *site, v *browser) *http.Request {
			thief := s.newBrowser()
			thief.signIn("FedAuth=mallory-1; Path=/")
			thief.cookies = v.thief().cookies
			return thief.post("register", thief.registration())
		}, reason.NonceStale},
		"with the owner's cookie and link, and the rest his own": {func(s *site, v *browser) *http.Request {
			thief := s.newBrowser()
			thief.signIn("FedAuth=mallory-1; Path=/")
			thief.cookies["FedAuth"], thief.cookies[linkCookie] = v.cookies["FedAuth"], v.cookies[linkCookie]
			return thief.post("register", thief.registration())
		}, reason.CredentialMissing},
		"with his own link and challenge": {func(s *site, v *browser) *http.Request {
			thief := s.newBrowser()
			thief.signIn("FedAuth=mallory-1; Path=/")
			thief.cookies["FedAuth"] = v.cookies["FedAuth"]
			return thief.post("register", thief.registration())
		}, reason.CredentialMissing},
		"with a refresh challenge": {func(s *site, v *browser) *http.Request {
			other := s.enrolled("FedAuth=mallory-1; Path=/")
			return v.post("register", v.jwt(object{"jwk": v.jwk()}, object{"jti": other.challenge}))
		}, reason.NonceStale},
		"with a challenge nobody issued": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(object{"jwk": v.jwk()}, object{"jti": "guessed"}))
		}, reason.NonceStale},
		"with an expired challenge": {func(s *site, v *browser) *http.Request {
			s.now = s.now.Add(DefaultChallengeLife)
			return v.post("register", v.registration())
		}, reason.NonceStale},
		"with a challenge from before the memory begins": {func(s *site, v *browser) *http.Request {
			s.now = s.now.Add(time.Second)
			s.nodes[0] = s.addNode()
			return v.post("register", v.registration())
		}, reason.NonceStale},
		"without any cookie": {func(s *site, v *browser) *http.Request {
			jwt := v.registration()
			v.cookies = nil
			return v.post("register", jwt)
		}, reason.CredentialMissing},
		"without the application's cookie": {func(s *site, v *browser) *http.Request {
			delete(v.cookies, "FedAuth")
			return v.post("register", v.registration())
		}, reason.CredentialMissing},
		"without a link": {func(s *site, v *browser) *http.Request {
			delete(v.cookies, linkCookie)
			return v.post("register", v.registration())
		}, reason.CredentialMissing},
		"without the place for the key": {func(s *site, v *browser) *http.Request {
			delete(v.cookies, keyCookie)
			return v.post("register", v.registration())
		}, reason.CredentialMissing},
		"with the place for the key and another challenge": {func(s *site, v *browser) *http.Request {
			thief := s.newBrowser()
			thief.signIn("FedAuth=mallory-1; Path=/")
			thief.cookies = v.thief(keyCookie).cookies
			return thief.post("register", thief.registration())
		}, reason.CredentialMissing},
		"with two cookies of one name": {func(s *site, v *browser) *http.Request {
			r := v.post("register", v.registration())
			r.Header.Add("Cookie", "FedAuth=tossed")
			return r
		}, reason.CredentialsSeveral},
		"without a proof": {func(s *site, v *browser) *http.Request {
			return v.post("register", "")
		}, reason.ProofMissing},
		"with two proofs": {func(s *site, v *browser) *http.Request {
			r := v.post("register", v.registration())
			r.Header.Add("Secure-Session-Response", v.registration())
			return r
		}, reason.ProofsSeveral},
		"under the former header name": {func(s *site, v *browser) *http.Request {
			r := v.post("register", "")
			r.Header.Set("Sec-Session-Response", v.registration())
			return r
		}, reason.ProofMissing},
		"with the former type": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(object{"jwk": v.jwk(), "typ": "jwt"}, object{"jti": quoted(v.offer, "challenge=")}))
		}, reason.ProofType},
		"with alg none": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(object{"alg": "none"}, object{"jti": quoted(v.offer, "challenge=")}))
		}, reason.ProofMalformed},
		"with an algorithm that was not offered": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(object{"jwk": v.jwk(), "alg": "PS256"}, object{"jti": quoted(v.offer, "challenge=")}))
		}, reason.ProofAlgorithm},
		"with an algorithm that does not fit the key": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(object{"jwk": v.jwk(), "alg": "RS256"}, object{"jti": quoted(v.offer, "challenge=")}))
		}, reason.ProofAlgorithm},
		"without a key": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(nil, object{"jti": quoted(v.offer, "challenge=")}))
		}, reason.ProofKey},
		"with the key in the payload, as formerly": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(nil, object{"jti": quoted(v.offer, "challenge="), "jwk": v.jwk()}))
		}, reason.ProofKey},
		"with a private key": {func(s *site, v *browser) *http.Request {
			jwk := v.jwk()
			jwk["d"] = ""
			return v.post("register", v.jwt(object{"jwk": jwk}, object{"jti": quoted(v.offer, "challenge=")}))
		}, reason.ProofKey},
		"with another key than signed": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(object{"jwk": s.newBrowser().jwk()}, object{"jti": quoted(v.offer, "challenge=")}))
		}, reason.ProofSignature},
		"made for another site": {func(s *site, v *browser) *http.Request {
			return v.post("register", v.jwt(object{"jwk": v.jwk()}, object{"jti": quoted(v.offer, "challenge="), "aud": "https://evil.example" + DefaultPath + "/register"}))
		}, reason.ProofURL},
		"from another site": {func(s *site, v *browser) *http.Request {
			r := v.post("register", v.registration())
			r.Header.Set("Origin", "https://evil.example")
			return r
		}, reason.CredentialForeign},
		"from another site by its metadata": {func(s *site, v *browser) *http.Request {
			r := v.post("register", v.registration())
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			return r
		}, reason.CredentialForeign},
		"from a sibling": {func(s *site, v *browser) *http.Request {
			r := v.post("register", v.registration())
			r.Header.Set("Sec-Fetch-Site", "same-site")
			return r
		}, reason.CredentialForeign},
		"from nowhere": {func(s *site, v *browser) *http.Request {
			r := v.post("register", v.registration())
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Del("Origin")
			return r
		}, reason.CredentialForeign},
		"of an opaque origin": {func(s *site, v *browser) *http.Request {
			r := v.post("register", v.registration())
			r.Header.Set("Origin", "null")
			return r
		}, reason.CredentialForeign},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			victim := s.newBrowser()
			victim.signIn("FedAuth=alice-1; Path=/; Secure; HttpOnly")
			w := s.serve(0, test.attempt(s, victim))
			if w.Code != http.StatusForbidden || s.served.Reason != test.want || s.served.Event != Refused {
				t.Fatalf("status %d, %+v, want 403 and %q", w.Code, s.served, test.want)
			}
			if len(w.Header()["Set-Cookie"]) > 0 || w.Body.Len() > 0 {
				t.Fatal("a refusal gave something away")
			}
		})
	}
}

// A refused registration spends nothing: the owner's still succeeds.
func TestRefusedRegistrationSpendsNothing(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	b.signIn("FedAuth=alice-1; Path=/")
	wantCode(t, b.send(b.post("register", b.jwt(object{"jwk": s.newBrowser().jwk()}, object{"jti": quoted(b.offer, "challenge=")}))), http.StatusForbidden)
	wantCode(t, b.register(), http.StatusOK)
}

// Every refused refresh is a 403 with a challenge for the session.
func TestRefreshRefused(t *testing.T) {
	for name, test := range map[string]struct {
		attempt func(s *site, victim *browser) *http.Request
		want    reason.Reason
	}{
		"without a proof": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", "")
		}, reason.ProofMissing},
		"by a thief with all cookies and his own key": {func(s *site, v *browser) *http.Request {
			thief := v.thief()
			thief.session, thief.challenge = v.session, v.challenge
			return thief.post("refresh", thief.proof())
		}, reason.ProofSignature},
		"with a key of his own in the header": {func(s *site, v *browser) *http.Request {
			thief := v.thief()
			thief.session, thief.challenge = v.session, v.challenge
			return thief.post("refresh", thief.jwt(object{"jwk": thief.jwk()}, object{"jti": v.challenge}))
		}, reason.ProofKey},
		"with the session id and key of another session": {func(s *site, v *browser) *http.Request {
			thief := s.enrolled("FedAuth=mallory-1; Path=/")
			proof := thief.proof()
			for name, value := range v.cookies {
				thief.cookies[name] = value
			}
			return thief.post("refresh", proof)
		}, reason.KeyMismatch},
		"with the key cookie of another session": {func(s *site, v *browser) *http.Request {
			thief := s.enrolled("FedAuth=mallory-1; Path=/")
			thief.cookies[linkCookie], thief.cookies["FedAuth"] = v.cookies[linkCookie], v.cookies["FedAuth"]
			thief.session, thief.challenge = v.session, v.challenge
			r := thief.post("refresh", thief.proof())
			r.AddCookie(&http.Cookie{Name: keyCookie, Value: v.cookies[keyCookie]})
			return r
		}, reason.ProofSignature},
		"replayed": {func(s *site, v *browser) *http.Request {
			jwt := v.proof()
			v.refresh()
			return v.post("refresh", jwt)
		}, reason.ProofReplayed},
		"with an expired challenge": {func(s *site, v *browser) *http.Request {
			s.now = s.now.Add(DefaultChallengeLife)
			return v.post("refresh", v.proof())
		}, reason.NonceStale},
		"with the registration's challenge": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", v.jwt(nil, object{"jti": quoted(v.offer, "challenge=")}))
		}, reason.NonceStale},
		"with a challenge of another session": {func(s *site, v *browser) *http.Request {
			v.challenge = s.enrolled("FedAuth=mallory-1; Path=/").challenge
			return v.post("refresh", v.proof())
		}, reason.NonceStale},
		"with a challenge of another site": {func(s *site, v *browser) *http.Request {
			e := s.addNode(func(c *Config) { c.Origin = func(*http.Request) string { return "https://other.example.test" } })
			header := http.Header{}
			e.challenge(header, s.state.link.session, "https://other.example.test", s.now)
			v.challenge = quoted(header.Get("Secure-Session-Challenge"), "")
			return v.post("refresh", v.proof())
		}, reason.NonceStale},
		"without a challenge": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", v.jwt(nil, object{}))
		}, reason.ProofMalformed},
		"with another algorithm than the session's": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", v.jwt(object{"alg": "RS256"}, object{"jti": v.challenge}))
		}, reason.ProofAlgorithm},
		"with the former type": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", v.jwt(object{"typ": "jwt"}, object{"jti": v.challenge}))
		}, reason.ProofType},
		"with a duplicate member": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", "eyJhbGciOiJFUzI1NiIsImFsZyI6IkVTMjU2IiwidHlwIjoiZGJzYytqd3QifQ.e30.AA")
		}, reason.ProofMalformed},
		"without a session id": {func(s *site, v *browser) *http.Request {
			r := v.post("refresh", v.proof())
			r.Header.Del("Sec-Secure-Session-Id")
			return r
		}, reason.KeyMismatch},
		"with two session ids": {func(s *site, v *browser) *http.Request {
			r := v.post("refresh", v.proof())
			r.Header.Add("Sec-Secure-Session-Id", v.session)
			return r
		}, reason.KeyMismatch},
		"with a list of session ids": {func(s *site, v *browser) *http.Request {
			r := v.post("refresh", v.proof())
			r.Header.Set("Sec-Secure-Session-Id", `"`+v.session+`", "`+v.session+`"`)
			return r
		}, reason.KeyMismatch},
		"with a session id with parameters": {func(s *site, v *browser) *http.Request {
			r := v.post("refresh", v.proof())
			r.Header.Set("Sec-Secure-Session-Id", `"`+v.session+`";v=1`)
			return r
		}, reason.KeyMismatch},
		"under the former header names": {func(s *site, v *browser) *http.Request {
			r := v.post("refresh", "")
			r.Header.Del("Sec-Secure-Session-Id")
			r.Header.Set("Sec-Session-Id", v.session)
			r.Header.Set("Sec-Session-Response", v.proof())
			return r
		}, reason.KeyMismatch},
		"too large": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", string(make([]byte, maxResponse+1)))
		}, reason.ProofTooLarge},
		"from another site": {func(s *site, v *browser) *http.Request {
			r := v.post("refresh", v.proof())
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			return r
		}, reason.CredentialForeign},
		"made for another site": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", v.jwt(nil, object{"jti": v.challenge, "aud": "https://evil.example/refresh"}))
		}, reason.ProofURL},
		"made for nobody": {func(s *site, v *browser) *http.Request {
			return v.post("refresh", v.jwt(nil, object{"jti": v.challenge, "aud": ""}))
		}, reason.ProofURL},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			victim := s.enrolled()
			victim.get("/")
			session := victim.session
			w := s.serve(0, test.attempt(s, victim))
			if w.Code != http.StatusForbidden || s.served.Reason != test.want || s.served.Event != Challenged {
				t.Fatalf("status %d, %+v, want 403 and %q", w.Code, s.served, test.want)
			}
			next := w.Header().Get("Secure-Session-Challenge")
			if quoted(next, "") == "" || quoted(next, "id=") != session {
				t.Fatalf("challenge %q: without one for %q the browser would end its session", next, session)
			}
			if len(w.Header()["Set-Cookie"]) > 0 || w.Body.Len() > 0 {
				t.Fatal("a refusal gave something away")
			}
			victim.challenge = quoted(next, "")
			wantCode(t, victim.refresh(), http.StatusOK) // and the owner goes on
		})
	}
}

// A claim that the refresh could not be made excuses nothing.
func TestSkippedIsNoPermission(t *testing.T) {
	s := newSite(t)
	thief := s.enrolled().thief()
	s.now = s.now.Add(DefaultBoundLife)
	for _, cookies := range [][]string{{"FedAuth"}, {"FedAuth", linkCookie}, nil} {
		r := thief.thief(cookies...).request(http.MethodGet, "/")
		r.Header.Set("Secure-Session-Skipped", `server_error;session_identifier="x"`)
		if w := s.serve(0, r); w.Code != http.StatusUnauthorized || !s.state.Skipped {
			t.Fatalf("status %d, %+v", w.Code, s.state)
		}
	}
}

// It only keeps the cookies of a browser that could not reach us for once.
func TestSkippedKeepsTheCookies(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	s.now = s.now.Add(DefaultBoundLife)
	r := b.request(http.MethodGet, "/")
	r.Header.Set("Secure-Session-Skipped", `server_error;session_identifier="x"`)
	wantCode(t, b.send(r), http.StatusUnauthorized)
	if b.cookies["FedAuth"] == "" || b.cookies[linkCookie] == "" {
		t.Fatalf("cookies %v", b.cookies)
	}
}

func TestWebSocketUpgradeNeedsALiveProof(t *testing.T) {
	s := newSite(t)
	b := s.enrolled()
	s.now = s.now.Add(DefaultBoundLife)
	r := b.request(http.MethodGet, "/socket")
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	s.refused(b.send(r).Code, Unproven)
}
