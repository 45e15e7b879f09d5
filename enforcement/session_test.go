// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/dbsc"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

const (
	appCookie   = "FedAuth"
	linkCookie  = "__Host-tp-link"
	boundCookie = "__Host-tp-bound"
	annsName    = "ann@contoso.example"
)

// webApp is a resource with session cookies, a browser that signed in to it,
// and a clock that both go by.
type webApp struct {
	*rig
	now   time.Time
	jar   map[string]string
	offer string // Secure-Session-Registration
}

// signedIn returns a web application to which Ann has just signed in.
func signedIn(t testing.TB, policies []policy.Policy) *webApp {
	t.Helper()
	w := &webApp{now: noon, jar: map[string]string{}}
	clock := func() time.Time { return w.now }
	config := dbsc.Config{SessionCookies: []string{appCookie}, Secrets: [][]byte{secret}, Now: clock}
	config.Memory = ok(cache.NewReplay(cache.ReplayConfig{MaxEntries: 100, MaxPerKey: 100, Lifetime: config.Lifetime(), Start: noon.Add(-time.Hour)}))(t)
	engine := ok(dbsc.New(config))(t)
	w.rig = newRig(t, policies, func(s *setup) { s.Sessions, s.Now = engine, clock })
	w.offer = w.answer(w.browse(), appCookie+"=session-1; Path=/; Secure; HttpOnly").Get("Secure-Session-Registration")
	return w
}

// answer is what the browser keeps of the application's answer to a request,
// with one cookie set in it.
func (w *webApp) answer(r *Request, cookie string) (header http.Header) {
	header = http.Header{"Set-Cookie": {cookie}}
	w.Sessions.Watch(header, r.HTTP, w.Sessions.Inspect(r.HTTP, w.now), annsName)
	w.keep(header)
	return header
}

func (w *webApp) keep(header http.Header) {
	for _, cookie := range (&http.Response{Header: header}).Cookies() {
		w.jar[cookie.Name] = cookie.Value
	}
}

// browse returns a request with the browser's cookies; with names, with those alone.
func (w *webApp) browse(names ...string) *Request {
	r := get("")
	for _, name := range slices.Sorted(maps.Keys(w.jar)) {
		if len(names) == 0 || slices.Contains(names, name) {
			r.HTTP.AddCookie(&http.Cookie{Name: name, Value: w.jar[name]})
		}
	}
	return r
}

// registered lets the browser register the laptop's key.
func (w *webApp) registered() *webApp {
	w.t.Helper()
	_, challenge, _ := strings.Cut(w.offer, `challenge="`)
	challenge, _, _ = strings.Cut(challenge, `"`)
	r := request("POST", audience+dbsc.DefaultPath+"/register", nil).HTTP
	r.Header = w.browse().HTTP.Header
	r.Header.Set("Origin", audience)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Secure-Session-Response", laptop.sign(members{"typ": "dbsc+jwt", "alg": "ES256", "jwk": laptop.jwk}, members{"jti": challenge}))
	recorder := httptest.NewRecorder()
	if served, ours := w.Sessions.Serve(recorder, r); !ours || recorder.Code != http.StatusOK {
		w.t.Fatalf("status %d, %+v", recorder.Code, served)
	}
	w.keep(recorder.Header())
	return w
}

// used loads a page with a proof.
func (w *webApp) used() *webApp {
	r, header := w.browse(), http.Header{}
	r.HTTP.Header.Set("Sec-Fetch-Mode", "navigate")
	w.Sessions.Watch(header, r.HTTP, w.Sessions.Inspect(r.HTTP, w.now), "")
	w.keep(header)
	return w
}

// later lets time go by.
func (w *webApp) later(life time.Duration) *webApp {
	w.now = w.now.Add(life)
	return w
}

func (w *webApp) signOut() *webApp {
	before := maps.Clone(w.jar)
	w.answer(w.browse(), appCookie+"=; Path=/; Max-Age=0")
	w.jar = before // a thief keeps what he has copied
	return w
}

func (w *webApp) with(name, value string) *webApp {
	w.jar[name] = value
	return w
}

// Contract, "Answers": in scope with an application's session cookie but no
// valid bound one, in every way there is.
func TestSessionCookiesNeedTheirProof(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*webApp) *Request
		want    reason.Reason
		passes  bool
		code    int
	}{
		"no session":               {func(w *webApp) *Request { return get("") }, reason.CredentialMissing, false, 1002},
		"signed in a moment ago":   {func(w *webApp) *Request { return w.browse() }, reason.SessionGrace, true, 1008},
		"bound":                    {func(w *webApp) *Request { return w.registered().browse() }, reason.None, true, 0},
		"bound, still":             {func(w *webApp) *Request { return w.registered().later(9 * time.Minute).browse() }, reason.None, true, 0},
		"never registered":         {func(w *webApp) *Request { return w.later(2 * time.Minute).browse() }, reason.SessionUnproven, false, 1008},
		"the bare session cookie":  {func(w *webApp) *Request { return w.registered().browse(appCookie) }, reason.SessionUnproven, false, 1008},
		"without the bound cookie": {func(w *webApp) *Request { return w.registered().later(2*time.Minute).browse(appCookie, linkCookie) }, reason.SessionUnproven, false, 1008},
		"the bound cookie is old":  {func(w *webApp) *Request { return w.registered().later(11 * time.Minute).browse() }, reason.SessionExpired, false, 1008},
		"of another session":       {func(w *webApp) *Request { return w.registered().with(appCookie, "session-2").browse() }, reason.SessionMismatched, false, 1008},
		"signed out of":            {func(w *webApp) *Request { return w.registered().signOut().browse() }, reason.SessionEnded, false, 1008},
		"twice":                    {func(w *webApp) *Request { r := w.browse(); r.HTTP.Header.Add("Cookie", appCookie+"=x"); return r }, reason.SessionAmbiguous, false, 1005},
		"beside a token":           {func(w *webApp) *Request { return beside(w.registered().browse(), proven()) }, reason.CredentialsSeveral, false, 1005},
		"beside an ambiguous one": {func(w *webApp) *Request {
			r := beside(w.browse(), proven())
			r.HTTP.Header.Add("Cookie", appCookie+"=x")
			return r
		}, reason.CredentialsSeveral, false, 1005},
		"cookies of others, beside": {func(w *webApp) *Request { r := proven(); r.HTTP.Header.Set("Cookie", "theme=dark"); return r }, reason.None, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := signedIn(t, enforced())
			d := w.Enforce(c.prepare(w))
			if d.Allow != c.passes || d.Reason != c.want || d.Code() != c.code || d.Bound != (c.want == reason.None) {
				t.Errorf("allow %v, bound %v, reason %q, code %d; want %v, %q, %d", d.Allow, d.Bound, d.Reason, d.Code(), c.passes, c.want, c.code)
			}
			if answer := d.Reason.Answer(); !c.passes && answer.Status != http.StatusUnauthorized && answer.Status != http.StatusBadRequest {
				t.Errorf("status %d", answer.Status)
			}
			w = signedIn(t, reported())
			if d := w.Enforce(c.prepare(w)); !d.Allow || d.Reason != c.want {
				t.Errorf("report-only: allow %v, reason %q", d.Allow, d.Reason)
			}
		})
	}
}

// beside puts the cookies of one request into another, which has a token.
func beside(cookies, r *Request) *Request {
	r.HTTP.Header["Cookie"] = cookies.HTTP.Header["Cookie"]
	return r
}

// Design, section 8: whose session it is, which, and how it was proved.
func TestRecordOfASession(t *testing.T) {
	w := signedIn(t, enforced())
	r := w.registered().browse()
	d := w.allows(r, reason.None)
	got := w.last()
	if got.ProofScheme != "dbsc" || got.DeviceKeyThumbprint != laptopID || got.UserID != annsName || got.UserPrincipalName != annsName ||
		got.UniqueTokenIdentifier == "" || got.TokenProtectionStatusDetails.SignInSessionStatus != "bound" {
		t.Errorf("%+v", got)
	}
	noSecrets(t, got, r, d)
	for name, value := range w.jar {
		if strings.Contains(string(must(json.Marshal(got))), value) {
			t.Errorf("the record contains the cookie %s", name)
		}
	}

	w = signedIn(t, enforced())
	w.allows(w.browse(), reason.SessionGrace)
	if got := w.last(); got.ProofScheme != "" || got.Status.AdditionalDetails != "session_grace" || got.TokenProtectionStatusDetails.SignInSessionStatus != "unbound" {
		t.Errorf("%+v", got)
	}
}

// Where the user's name is known, conditions on users work for sessions too;
// whose a session is without its link nobody knows, so nothing lets it off.
func TestPoliciesOnUsersOfSessions(t *testing.T) {
	for name, c := range map[string]struct {
		policies     []policy.Policy
		cookies      []string
		want         reason.Reason
		passes       bool
		wait, enroll bool
		used         bool // a page was loaded with a proof
	}{
		"excluded":                          {policies: enforced(excludeUser(annsName)), want: reason.SessionUnproven, passes: true, wait: true},
		"another is excluded":               {policies: enforced(excludeUser("bob@contoso.example")), want: reason.SessionUnproven, wait: true},
		"excluded, but who is it":           {policies: enforced(excludeUser(annsName)), cookies: []string{appCookie}, want: reason.SessionUnproven, wait: true},
		"not included":                      {policies: enforced(includeUser("bob@contoso.example")), want: reason.SessionUnproven, passes: true, wait: true},
		"not included, but who is it":       {policies: enforced(includeUser("bob@contoso.example")), cookies: []string{appCookie}, want: reason.SessionUnproven, wait: true},
		"perhaps a member":                  {policies: enforced(includeGroup), want: reason.SessionUnproven, wait: true},
		"bound once, not included":          {policies: enforced(includeUser("bob@contoso.example")), want: reason.SessionExpired, wait: true, enroll: true},
		"used, not included":                {policies: enforced(includeUser("bob@contoso.example")), cookies: []string{appCookie, linkCookie}, want: reason.SessionExpired, wait: true, enroll: true, used: true},
		"used, another platform":            {policies: enforced(onlyWindows), cookies: []string{appCookie, linkCookie}, want: reason.SessionExpired, enroll: true, used: true},
		"bound once, excluded":              {policies: enforced(excludeUser(annsName)), want: reason.SessionExpired, passes: true, wait: true, enroll: true},
		"another platform":                  {policies: enforced(onlyWindows), want: reason.SessionUnproven, passes: true, wait: true},
		"in its grace under another policy": {policies: enforced(excludeUser("bob@contoso.example")), want: reason.SessionGrace, passes: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := signedIn(t, c.policies)
			if c.enroll {
				w.registered()
			}
			if c.used {
				w.used()
			}
			if c.wait {
				w.later(15 * time.Minute)
			}
			r := w.browse(c.cookies...)
			if strings.Contains(name, "another platform") {
				asLinux(r)
			}
			if d := w.Enforce(r); d.Allow != c.passes || d.Reason != c.want || d.Bound {
				t.Errorf("allow %v, reason %q, want %v, %q", d.Allow, d.Reason, c.passes, c.want)
			}
		})
	}
}

func includeUser(id string) func(*policy.Policy) {
	return func(p *policy.Policy) { p.Conditions.Users.IncludeUsers = []string{id} }
}
