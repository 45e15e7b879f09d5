// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/client"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// policyBrowsers is policyOn for whatever client.
var policyBrowsers = strings.Replace(policyOn, "client_apps mobile_and_desktop", "", 1)

// until asks until the answer is yes: the server goes by the real clock.
func until(t testing.TB, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestRegistrationIsOfferedWithTheSessionCookieAlone(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: strings.Replace(a.site(""), "exempt /signin", "exempt /signin /theme", 1)}.load(t)
	for path, want := range map[string]bool{"/signin?user=ann": true, "/theme": false} {
		answer := send(t, request(path, ""))
		expectStatus(t, answer, http.StatusOK)
		offer := answer.Header().Get("Secure-Session-Registration")
		if got := strings.Contains(offer, `path="`+dbscPath+`/register"`); got != want || !want && offer != "" {
			t.Errorf("%s: offer %q", path, offer)
		}
	}
}

func TestBoundBrowserPassesAndTheApplicationSeesNothingOfIt(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("user {http.response.header.X-User}")}.load(t)
	b := signedIn(t, "ann")
	b.shows("/mail", "hello ann, bound dbsc ann 0")
	if cookies := a.received().Get("Cookie"); cookies != appCookie+"="+b.cookie(appCookie) {
		t.Errorf("the application got the cookies %q", cookies)
	}
}

// Contract, "Answers": no challenge, code 1008, and nothing reaches the backend.
func TestApplicationsCookieAloneIsRefusedWithoutAChallenge(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("")}.load(t)
	b := signedIn(t, "ann")
	a.received()
	answer := send(t, b.copied(http.MethodGet, "/mail", appCookie))
	expectStatus(t, answer, http.StatusUnauthorized)
	if header := answer.Header(); len(header["Www-Authenticate"]) > 0 || header.Get("Cache-Control") != "no-store" || header.Get("Dpop-Nonce") != "" {
		t.Errorf("headers %v", header)
	}
	if body := decode[problem](t, answer.Body.Bytes()); body.SessionCode != 1008 || body.Code != signin.BlockedByTokenProtection {
		t.Errorf("body %+v", body)
	}
	if a.received() != nil {
		t.Error("it reached the application")
	}
	if cleared := strings.Join(answer.Header()["Set-Cookie"], "\n"); !strings.Contains(cleared, appCookie+"=; Max-Age=0") {
		t.Errorf("the browser keeps its dead session: %q", cleared)
	}
	b.shows("/mail", "hello ann, bound") // what a thief tries does not harm the owner
}

// Report-only: who has no proof gets what he would get without the module.
func TestReportOnlyLeavesUnprovenSessionsAlone(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyReportOnly, site: a.site("")}.load(t)
	b := signedIn(t, "ann")
	b.shows("/mail", "hello ann, bound dbsc")
	r := b.copied(http.MethodGet, "/mail", appCookie)
	answer := send(t, r)
	expectStatus(t, answer, http.StatusOK)
	if body := answer.Body.String(); body != "hello ann, unbound   1008" || len(answer.Header()["Set-Cookie"])+len(answer.Header()["Www-Authenticate"]) > 0 {
		t.Errorf("%q, headers %v", body, answer.Header())
	}
	if got, sent := a.received().Get("Cookie"), r.Header.Get("Cookie"); got != sent {
		t.Errorf("the application got %q, was sent %q", got, sent)
	}
}

var challengeField = regexp.MustCompile(`^"([^"]+)";id="([^"]+)"$`)

// refreshed sends a refresh, checks its status and returns the next challenge
// and the session's id.
func refreshed(t *testing.T, r *http.Request, status int) (challenge, session string) {
	t.Helper()
	answer := send(t, r)
	expectStatus(t, answer, status)
	next := challengeField.FindStringSubmatch(answer.Header().Get("Secure-Session-Challenge"))
	if next == nil {
		t.Fatalf("Secure-Session-Challenge %q", answer.Header().Get("Secure-Session-Challenge"))
	}
	if got := strings.Contains(strings.Join(answer.Header()["Set-Cookie"], "\n"), boundCookie+"="); got != (status == http.StatusOK) {
		t.Errorf("status %d, with a bound cookie: %v", status, got)
	}
	return next[1], next[2]
}

// registered registers a key by hand, so that the test has it.
func registered(t *testing.T) (b *browser, key *client.Key, session, challenge string) {
	t.Helper()
	b, key = newBrowser(t), newDevice(t)
	signIn := send(t, request("/signin?user=ann", ""))
	expectStatus(t, signIn, http.StatusOK)
	b.Jar.SetCookies(dbscURL("register"), signIn.Result().Cookies())
	_, offered, _ := strings.Cut(signIn.Header().Get("Secure-Session-Registration"), `challenge="`)
	offered, _, _ = strings.Cut(offered, `"`)
	answer := send(t, b.posted("register", "", proofOf(t, key, client.SessionProof{Challenge: offered, Registration: true})))
	expectStatus(t, answer, http.StatusOK)
	b.Jar.SetCookies(dbscURL("register"), answer.Result().Cookies())
	next := challengeField.FindStringSubmatch(answer.Header().Get("Secure-Session-Challenge"))
	if next == nil {
		t.Fatalf("no challenge: %v", answer.Header())
	}
	return b, key, next[2], next[1]
}

func proofOf(t *testing.T, key *client.Key, p client.SessionProof) string {
	t.Helper()
	proof, err := key.SessionProof(p)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func TestRefreshIsChallengedAndGrantsWithTheNextChallenge(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("")}.load(t)
	b, key, session, first := registered(t)
	a.received()
	second, _ := refreshed(t, b.posted("refresh", session, ""), http.StatusForbidden)
	other := proofOf(t, newDevice(t), client.SessionProof{Challenge: second})
	refreshed(t, b.posted("refresh", session, other), http.StatusForbidden)
	used := proofOf(t, key, client.SessionProof{Challenge: second})
	third, _ := refreshed(t, b.posted("refresh", session, used), http.StatusOK)
	refreshed(t, b.posted("refresh", session, used), http.StatusForbidden) // single use
	for _, challenge := range []string{third, first} {                     // a newer one does not void an older one
		refreshed(t, b.posted("refresh", session, proofOf(t, key, client.SessionProof{Challenge: challenge})), http.StatusOK)
	}
	if a.received() != nil {
		t.Error("a refresh reached the application")
	}
}

func TestThiefCannotRegisterAKeyOfHisOwn(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("")}.load(t)
	b, _, session, challenge := registered(t)
	thief := newDevice(t)
	for rule, p := range map[string]client.SessionProof{
		"with the challenge of a refresh": {Challenge: challenge, Registration: true},
		"with one of his own":             {Challenge: "invented", Registration: true},
	} {
		if answer := send(t, b.posted("register", "", proofOf(t, thief, p))); answer.Code != http.StatusForbidden || len(answer.Header()["Set-Cookie"]) > 0 {
			t.Errorf("%s: status %d, headers %v", rule, answer.Code, answer.Header())
		}
	}
	refreshed(t, b.posted("refresh", session, proofOf(t, thief, client.SessionProof{Challenge: challenge, Registration: true})), http.StatusForbidden)
}

func TestGracePeriodShowsInTheRecord(t *testing.T) {
	log := t.TempDir() + "/sign-in.log"
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers + "\nsign_in_log {\ninterval 0\n}", site: a.site("grace 1s\nuser {http.response.header.X-User}"),
		options: "log sign_in {\n\t\toutput file " + log + "\n\t\tinclude token_protection.sign_in\n\t}"}.load(t)
	b := signedIn(t, "ann")
	unregistered := b.copied(http.MethodGet, "/mail", appCookie, linkCookie)
	expectStatus(t, send(t, unregistered.Clone(t.Context())), http.StatusOK)
	b.shows("/mail", "hello ann")
	until(t, "the grace period ends", func() bool {
		return send(t, unregistered.Clone(t.Context())).Code == http.StatusUnauthorized
	})
	records := lines(t, log)
	graced, bound, refused := decode[signin.Record](t, records[0]), decode[signin.Record](t, records[1]), decode[signin.Record](t, records[len(records)-1])
	for rule, ok := range map[string]bool{
		"bound":   bound.ProofScheme == "dbsc" && bound.TokenProtectionStatusDetails.SignInSessionStatus == signin.Bound && bound.UserID == "ann",
		"graced":  graced.Decision == signin.Allow && graced.TokenProtectionStatusDetails.SignInSessionStatus == signin.Unbound && graced.Status.AdditionalDetails == "session_grace",
		"refused": refused.Decision == signin.Block && refused.Status.AdditionalDetails == "session_unproven" && refused.TokenProtectionStatusDetails.SignInSessionStatusCode == 1008,
	} {
		if !ok {
			t.Errorf("%s: %s", rule, records)
		}
	}
}

// A restart, or another node, with the same secret goes on; one with another
// secret knows nobody.
func TestSessionsGoOnWithTheSameSecret(t *testing.T) {
	a := newWebApp(t)
	i := newIssuer(t)
	secret := func(names ...string) string {
		var secrets []string
		for _, name := range names {
			secrets = append(secrets, strings.Repeat(name, minSecret))
		}
		return policyBrowsers + "\nproof {\nnonce_secret " + strings.Join(secrets, " ") + "\n}"
	}
	node := func(app string, entries string) {
		setup{issuer: i, app: app + "\nreplay memory {\nmax_entries " + entries + "\n}", site: a.site("grace 1s")}.load(t)
	}
	node(secret("a"), "1000")
	b := signedIn(t, "ann")
	node(secret("a"), "2000") // another size is another memory, which begins empty
	b.shows("/mail", "bound")
	b.forget(boundCookie)
	b.shows("/mail", "bound") // refreshed, by a challenge of this node's
	node(secret("b", "a"), "2000")
	b.shows("/mail", "bound")
	b.forget(boundCookie)
	b.shows("/mail", "bound")
	node(secret("a", "b"), "2000") // the other way, as while a rotation is under way
	b.shows("/mail", "bound")
	node(secret("b"), "2000")
	if status, _ := b.get("/mail"); status != http.StatusUnauthorized {
		t.Errorf("status %d with another secret", status)
	}
}
