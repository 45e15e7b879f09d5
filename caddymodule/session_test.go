// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"net/http/httptest"
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

func TestSignOutEndsTheSession(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("")}.load(t)
	b, key, session, challenge := registered(t)
	copied := b.copied(http.MethodGet, "/mail")
	expectStatus(t, send(t, copied.Clone(t.Context())), http.StatusOK)
	refresh := b.posted("refresh", session, proofOf(t, key, client.SessionProof{Challenge: challenge}))
	if status, _ := b.get("/signout"); status != http.StatusOK || len(b.Jar.Cookies(dbscURL("refresh"))) > 0 {
		t.Fatalf("status %d, cookies left: %v", status, b.Jar.Cookies(dbscURL("refresh")))
	}
	expectStatus(t, send(t, copied), http.StatusUnauthorized)
	answer := send(t, refresh)
	expectStatus(t, answer, http.StatusOK)
	if body := answer.Body.String(); body != `{"continue":false}` {
		t.Errorf("the browser is told %s", body)
	}
}

func TestRotationIsFollowedOnlyWhereItWasProven(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyReportOnly, site: a.site("")}.load(t)
	b := signedIn(t, "ann")
	before := b.cookie(appCookie)
	b.shows("/rotate", "bound")
	if b.cookie(appCookie) == before {
		t.Fatal("not rotated")
	}
	b.shows("/mail", "hello ann, bound")

	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("grace 1s")}.load(t)
	thief := newBrowser(t)
	for _, cookie := range b.copied(http.MethodGet, "/", appCookie, linkCookie).Cookies() {
		cookie.Path, cookie.Secure = "/", true
		thief.Jar.SetCookies(dbscURL("refresh"), []*http.Cookie{cookie})
	}
	until(t, "the grace period ends", func() bool {
		return send(t, thief.copied(http.MethodGet, "/mail")).Code == http.StatusUnauthorized
	})
	setup{issuer: newIssuer(t), app: policyReportOnly, site: a.site("grace 1s")}.load(t)
	thief.get("/rotate")
	if thief.cookie(boundCookie) != "" {
		t.Error("a thief's rotation was bound")
	}
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("grace 1s")}.load(t)
	expectStatus(t, send(t, thief.copied(http.MethodGet, "/mail")), http.StatusUnauthorized)
	b.shows("/mail", "hello ann, bound")
}

// On a path that needs no proof the application does not see an unproven
// cookie, so that a copied session cannot be renewed there.
func TestExemptPathShowsNoUnprovenSession(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: strings.Replace(a.site(""), "/signin", "/rotate /signin", 1)}.load(t)
	b := signedIn(t, "ann")
	expectStatus(t, send(t, b.copied(http.MethodGet, "/rotate", appCookie)), http.StatusOK)
	if cookie := a.received().Get("Cookie"); cookie != "" {
		t.Errorf("the application saw %q", cookie)
	}
	b.shows("/rotate", "hello ann")
}

func TestGracePeriodShowsInTheRecord(t *testing.T) {
	log := t.TempDir() + "/sign-in.log"
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers + "\nsign_in_log {\ninterval 0\n}", site: a.site("grace 1s\nuser {http.response.header.X-User}"),
		options: "log sign_in {\n\t\toutput file " + log + "\n\t\tinclude token_protection.sign_in\n\t}"}.load(t)
	b := signedIn(t, "ann")
	b.shows("/mail", "hello ann")
	expectStatus(t, send(t, b.copied(http.MethodGet, "/mail", appCookie, linkCookie)), http.StatusOK)
	until(t, "the grace period ends", func() bool {
		return send(t, b.copied(http.MethodGet, "/mail", appCookie, linkCookie)).Code == http.StatusUnauthorized
	})
	records := lines(t, log)
	bound, graced, refused := decode[signin.Record](t, records[0]), decode[signin.Record](t, records[1]), decode[signin.Record](t, records[len(records)-1])
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

// Where the user is known, policies on users work for sessions.
func TestPoliciesOnTheUsersOfSessions(t *testing.T) {
	for _, test := range []struct {
		name   string
		user   string // the placeholder
		site   string
		status map[string]int // of a session without proof, by who signed in
	}{
		{"named by the answer", "user {http.response.header.X-User}", "", map[string]int{"ann": http.StatusUnauthorized, "break-glass": http.StatusOK}},
		{"named by the request", "user {http.vars.who}", "vars who break-glass", map[string]int{"ann": http.StatusOK}},
		{"not named", "", "", map[string]int{"break-glass": http.StatusUnauthorized}},
	} {
		for who, want := range test.status {
			t.Run(test.name+" "+who, func(t *testing.T) {
				a := newWebApp(t)
				setup{issuer: newIssuer(t), app: policyBrowsers, site: test.site + a.site("grace 1s\n"+test.user)}.load(t)
				b := signedIn(t, who)
				get := func() int { return send(t, b.copied(http.MethodGet, "/mail", appCookie, linkCookie)).Code }
				until(t, "the grace period ends", func() bool { return get() == http.StatusUnauthorized || want == http.StatusOK })
				if got := get(); got != want {
					t.Errorf("status %d, want %d", got, want)
				}
				expectStatus(t, send(t, b.copied(http.MethodGet, "/mail", appCookie)), http.StatusUnauthorized) // whose it is nobody knows
			})
		}
	}
}

func TestWithoutDBSCASessionCookieIsNoCredential(t *testing.T) {
	a := newWebApp(t)
	site := "\n\ttoken_protection exchange {\n\t\texempt /signin\n\t}\n\treverse_proxy " + a.address
	setup{issuer: newIssuer(t), app: policyBrowsers, site: site}.load(t)
	signIn := send(t, request("/signin?user=ann", ""))
	expectStatus(t, signIn, http.StatusOK)
	if header := signIn.Header(); header.Get("Secure-Session-Registration") != "" || len(header["Set-Cookie"]) != 1 {
		t.Errorf("headers %v", header)
	}
	b := newBrowser(t)
	b.Jar.SetCookies(dbscURL("register"), signIn.Result().Cookies())
	answer := send(t, b.copied(http.MethodGet, "/mail"))
	expectStatus(t, answer, http.StatusUnauthorized)
	if body := decode[problem](t, answer.Body.Bytes()); body.SessionCode != 1002 || len(answer.Header()["Www-Authenticate"]) == 0 {
		t.Errorf("body %+v, headers %v", body, answer.Header())
	}
	expectStatus(t, send(t, b.posted("refresh", "x", "y")), http.StatusUnauthorized)
	setup{issuer: newIssuer(t), app: policyReportOnly, site: site}.load(t)
	a.received()
	expectStatus(t, send(t, b.posted("refresh", "x", "y")), http.StatusOK)
	if got := a.received(); got.Get("Secure-Session-Response") != "y" || got.Get("Sec-Secure-Session-Id") != "x" {
		t.Errorf("the application's own sessions are disturbed: %v", got)
	}
}

// A browser goes by the URL that it sent, whatever the site makes of it.
func TestEndpointsAreFoundBeforeRewriting(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: "@page not path /signin\n\trewrite @page /index.php\n" + a.site("")}.load(t)
	b := signedIn(t, "ann")
	b.forget(boundCookie)
	b.shows("/mail", "hello ann, bound")
}

// Without a path attribute a cookie is for the folder of the URL that was sent
// (RFC 6265, section 5.1.4).
func TestCookieThatDoesNotReachOurEndpointsIsNamed(t *testing.T) {
	log := t.TempDir() + "/log"
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", appCookie+"=x; Secure")
	}))
	t.Cleanup(backend.Close)
	a := &webApp{address: backend.Listener.Addr().String()}
	setup{issuer: newIssuer(t), app: policyBrowsers, site: "handle_path /owa/* {\n" + strings.Replace(a.site(""), "/signin", "/a", 1) + "\n}",
		options: "log warnings {\n\t\toutput file " + log + "\n\t\tinclude http.handlers.token_protection\n\t}"}.load(t)
	for range 2 {
		answer := send(t, request("/owa/a", ""))
		expectStatus(t, answer, http.StatusOK)
		if offer := answer.Header().Get("Secure-Session-Registration"); offer != "" {
			t.Errorf("offered %q", offer)
		}
	}
	if got := lines(t, log); len(got) != 1 || !strings.Contains(string(got[0]), "cannot be bound") {
		t.Errorf("log %s", got)
	}
}

func TestPageSaysWhatToDoAboutASession(t *testing.T) {
	a := newWebApp(t)
	setup{issuer: newIssuer(t), app: policyBrowsers, site: a.site("")}.load(t)
	b := signedIn(t, "ann")
	for name, test := range map[string]struct {
		skipped, cookies string
		want             string
	}{
		"the browser could not refresh": {`server_error;session_identifier="x"`, appCookie, "Reload this page in a moment."},
		"the session is not its own":    {"", appCookie, "Reload this page to sign in again."},
		"no session":                    {`unreachable;session_identifier="x"`, "none", "an app on your registered device"},
	} {
		r := b.copied(http.MethodGet, "/mail", test.cookies)
		r.Header.Set("Accept", "text/html")
		if test.skipped != "" {
			r.Header.Set("Secure-Session-Skipped", test.skipped)
		}
		answer := send(t, r)
		expectStatus(t, answer, http.StatusUnauthorized) // what the browser says lets nobody in
		if !strings.Contains(answer.Body.String(), test.want) {
			t.Errorf("%s: the page does not say %q", name, test.want)
		}
	}
}
