// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// RFC 9110, section 11.6.2, and RFC 6750, section 2: one credential.
func TestCredential(t *testing.T) {
	for name, c := range map[string]struct {
		fields []string
		scheme AuthScheme
		token  string
		want   reason.Reason
	}{
		"none":                   {nil, SchemeNone, "", reason.CredentialMissing},
		"empty":                  {[]string{""}, SchemeNone, "", reason.CredentialMalformed},
		"DPoP":                   {[]string{"DPoP a.b-c_d~e+f/g=="}, SchemeDPoP, "a.b-c_d~e+f/g==", reason.None},
		"any case":               {[]string{"dPoP x"}, SchemeDPoP, "x", reason.None},
		"several spaces":         {[]string{"Bearer   x"}, SchemeBearer, "x", reason.None},
		"PoP":                    {[]string{"PoP x"}, SchemePoP, "x", reason.None},
		"certificate-bound":      {[]string{"mtls_pop x"}, SchemeMTLS, "x", reason.None},
		"scheme only":            {[]string{"Bearer"}, SchemeBearer, "", reason.CredentialMissing},
		"scheme and a space":     {[]string{"DPoP "}, SchemeDPoP, "", reason.CredentialMissing},
		"a tab":                  {[]string{"DPoP\tx"}, SchemeNone, "", reason.CredentialMalformed},
		"two tokens":             {[]string{"DPoP x y"}, SchemeDPoP, "", reason.CredentialMalformed},
		"joined with a comma":    {[]string{"DPoP x, Bearer y"}, SchemeDPoP, "", reason.CredentialMalformed},
		"padding only":           {[]string{"DPoP ="}, SchemeDPoP, "", reason.TokenMalformed},
		"padding in the middle":  {[]string{"DPoP a=b"}, SchemeDPoP, "", reason.TokenMalformed},
		"quoted":                 {[]string{`DPoP "x"`}, SchemeDPoP, "", reason.TokenMalformed},
		"outside of ASCII":       {[]string{"DPoP ü"}, SchemeDPoP, "", reason.TokenMalformed},
		"Basic":                  {[]string{"Basic YTpi"}, SchemeNone, "", reason.CredentialForeign},
		"NTLM":                   {[]string{"NTLM TlRMTVNTUAAB"}, SchemeNone, "", reason.CredentialForeign},
		"Negotiate":              {[]string{"Negotiate YIIB"}, SchemeNone, "", reason.CredentialForeign},
		"almost Bearer":          {[]string{"Bearer2 x"}, SchemeNone, "", reason.CredentialForeign},
		"a token and no scheme":  {[]string{"ey.ey.x"}, SchemeNone, "", reason.CredentialForeign},
		"a name that cannot be":  {[]string{"(DPoP) x"}, SchemeNone, "", reason.CredentialMalformed},
		"two":                    {[]string{"DPoP x", "Bearer x"}, SchemeNone, "", reason.CredentialsSeveral},
		"two, one of them empty": {[]string{"DPoP x", ""}, SchemeNone, "", reason.CredentialsSeveral},
		"the same twice":         {[]string{"DPoP x", "DPoP x"}, SchemeNone, "", reason.CredentialsSeveral},
	} {
		t.Run(name, func(t *testing.T) {
			r := request("GET", sampleURL, nil)
			if c.fields != nil {
				r.HTTP.Header["Authorization"] = c.fields
			}
			got, why := credentialOf(r.HTTP)
			if got.Scheme != c.scheme || got.Token != c.token || why != c.want {
				t.Errorf("%+v, %q; want %q, %q, %q", got, why, c.scheme, c.token, c.want)
			}
		})
	}
}

// RFC 6750, section 2.3, read as the most lenient backend would.
func TestFindsATokenInTheQuery(t *testing.T) {
	for query, want := range map[string]bool{
		"":                               false,
		"a=b&c=d":                        false,
		"access_token=x":                 true,
		"access_token":                   true,
		"access_token=":                  true,
		"a=b&access_token=x":             true,
		"a=b;access_token=x":             true,
		"a=b;;&&access_token=x":          true,
		"ACCESS_TOKEN=x":                 true,
		"Access_Token=x":                 true,
		"access%5Ftoken=x":               true,
		"access%5ftoken=x":               true,
		"%61%63%63ess_token=x":           true,
		"a=b&%41CCESS_TOKEN=x":           true,
		"a=access_token":                 false,
		"a=access_token=x":               false,
		"xaccess_token=x":                false,
		"access_tokens=x":                false,
		"access_token%":                  false,
		"access-token=x":                 false,
		"%zz=1&access_token=x":           true,
		strings.Repeat("a&", 9999) + "b": false,
	} {
		if got := queryCarriesToken(query); got != want {
			t.Errorf("%.40q: %v, want %v", query, got, want)
		}
		r := proven()
		r.HTTP.URL.RawQuery = query
		d := newRig(t, enforced()).Enforce(r)
		if refused := d.Reason == reason.CredentialsSeveral; refused != want || d.Allow == want {
			t.Errorf("%.40q: allow %v, %q", query, d.Allow, d.Reason)
		}
	}
}

// RFC 6750, section 2.2. A form that is longer than what is searched counts as
// carrying a token; one that does not comes through whole.
func TestFindsATokenInAFormBody(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	full := strings.Repeat("a", maxForm)
	for name, c := range map[string]struct {
		types []string
		body  string
		want  bool
	}{
		"no token":                     {[]string{form}, "a=b&c=d", false},
		"empty":                        {[]string{form}, "", false},
		"a token":                      {[]string{form}, "a=b&access_token=x", true},
		"percent-encoded":              {[]string{form}, "access%5ftoken=x", true},
		"any case":                     {[]string{form}, "ACCESS_token=x", true},
		"behind a semicolon":           {[]string{form}, "a=b;access_token=x", true},
		"a parameter":                  {[]string{form + "; charset=utf-8"}, "access_token=x", true},
		"a parameter twice":            {[]string{form + "; a=1; a=2"}, "access_token=x", true},
		"a broken parameter":           {[]string{form + "; ="}, "access_token=x", true},
		"in capitals":                  {[]string{strings.ToUpper(form)}, "access_token=x", true},
		"with space before":            {[]string{" \t" + form}, "access_token=x", true},
		"joined with another":          {[]string{form + ", text/plain"}, "access_token=x", true},
		"the second of two types":      {[]string{"text/plain", form}, "access_token=x", true},
		"another type":                 {[]string{"text/plain"}, "access_token=x", false},
		"JSON":                         {[]string{"application/json"}, `{"access_token":"x"}`, false},
		"no type":                      {nil, "access_token=x", false},
		"as long as is searched":       {[]string{form}, full, false},
		"the token at the very end":    {[]string{form}, full[:maxForm-15] + "&access_token=x", true},
		"a byte longer":                {[]string{form}, full + "a", false},
		"much longer":                  {[]string{form}, strings.Repeat(full, 4), false},
		"another type, and longer too": {[]string{"text/plain"}, full + "a", false},
	} {
		for _, length := range []string{"known length", "unknown length"} {
			t.Run(name+", "+length, func(t *testing.T) {
				accessToken := mint()
				r := request("POST", sampleURL, strings.NewReader(c.body))
				r.HTTP.Header.Set("Authorization", "DPoP "+accessToken)
				r.HTTP.Header.Set("DPoP", laptop.prove(accessToken, members{"htm": "POST"}))
				r.HTTP.Header["Content-Type"] = c.types
				if length == "unknown length" {
					r.HTTP.ContentLength = -1
				}
				d := newRig(t, enforced()).Enforce(r)
				if refused := d.Reason == reason.CredentialsSeveral; refused != c.want || d.Allow == c.want {
					t.Errorf("allow %v, %q; want it refused: %v", d.Allow, d.Reason, c.want)
				}
				rest, err := io.ReadAll(r.HTTP.Body)
				if err != nil || string(rest) != c.body {
					t.Errorf("%d bytes of the body are left, %v; want all %d", len(rest), err, len(c.body))
				}
			})
		}
	}
}

// What ended the search comes out again where the backend reads.
func TestABodyThatBreaksOffBreaksOffForTheBackendToo(t *testing.T) {
	broken := errors.New("connection reset")
	body := &closing{Reader: io.MultiReader(strings.NewReader("a=b"), failing{broken})}
	r := request("POST", sampleURL, nil)
	r.HTTP.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.HTTP.Body, r.HTTP.ContentLength = body, -1
	if formCarriesToken(r.HTTP) {
		t.Error("found a token")
	}
	text, err := io.ReadAll(r.HTTP.Body)
	if string(text) != "a=b" || !errors.Is(err, broken) {
		t.Errorf("read %q, %v", text, err)
	}
	if err := r.HTTP.Body.Close(); err != nil || !body.closed {
		t.Errorf("closed %v, %v", body.closed, err)
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// Only a search that is needed reads the body.
func TestDoesNotSearchWhereThereIsNoBody(t *testing.T) {
	r := request("POST", sampleURL, nil)
	r.HTTP.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		r.HTTP.Body = body
		if formCarriesToken(r.HTTP) || r.HTTP.Body != body {
			t.Errorf("body %v became %v", body, r.HTTP.Body)
		}
	}
}

// Resource, AllowAnonymous: requests without any credential are the backend's
// business. Anything that might be one is not "without".
func TestAnonymousRequests(t *testing.T) {
	form := func(body string) *Request {
		r := request("POST", sampleURL, strings.NewReader(body))
		r.HTTP.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	query := get("")
	query.HTTP.URL.RawQuery = "access_token=" + mint()
	for name, c := range map[string]struct {
		request *Request
		want    reason.Reason // None: passes
	}{
		"no credential":            {get(""), reason.None},
		"a scheme without a token": {get("Bearer"), reason.None}, // how Outlook asks for a challenge
		"a form without a token":   {form("a=b"), reason.None},
		"a proof without a token":  {get("", laptop.prove("x")), reason.None},
		"Basic":                    {get("Basic YTpi"), reason.CredentialForeign},
		"NTLM":                     {get("NTLM TlRMTVNTUAAB"), reason.CredentialForeign},
		"Negotiate":                {get("Negotiate YIIB"), reason.CredentialForeign},
		"malformed":                {get("DPoP a b"), reason.CredentialMalformed},
		"a bad token":              {get("Bearer x"), reason.TokenMalformed},
		"a bound token as Bearer":  {get("Bearer " + mint()), reason.SchemeMismatch},
		"an unbound token":         {get("Bearer " + mint(unbound)), reason.TokenUnbound},
		"a token in the query":     {query, reason.CredentialsSeveral},
		"a token in the body":      {form("access_token=" + mint()), reason.CredentialsSeveral},
		"two proofs, no token":     {get("", "a", "b"), reason.ProofsSeveral},
		"an empty header":          {emptyAuthorization(), reason.CredentialMalformed},
		"a long form":              {form(strings.Repeat("a", maxForm+1)), reason.None},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), anonymous)
			if c.want != reason.None {
				if d := g.blocks(c.request, c.want); d.Anonymous {
					t.Error("anonymous")
				}
				return
			}
			if d := g.allows(c.request, reason.CredentialMissing); !d.Anonymous || d.Bound || d.Claims != nil || d.Recorded {
				t.Errorf("%+v", d)
			}
		})
	}
	t.Run("challenge is the other mode", func(t *testing.T) {
		if d := newRig(t, enforced()).blocks(get(""), reason.CredentialMissing); d.Anonymous {
			t.Error("anonymous")
		}
	})
	t.Run("nothing is enforced", func(t *testing.T) {
		d := newRig(t, reported()).allows(get(""), reason.CredentialMissing)
		if d.Anonymous || !d.Recorded {
			t.Errorf("anonymous %v, recorded %v; want only the latter", d.Anonymous, d.Recorded)
		}
	})
}

func emptyAuthorization() *Request {
	r := get("")
	r.HTTP.Header["Authorization"] = []string{""}
	return r
}

// RFC 9110, section 7.6.1: what Connection names does not reach the backend.
func TestConnectionMustNotNameWhatWasJudged(t *testing.T) {
	for name, c := range map[string]struct {
		fields []string
		want   reason.Reason
	}{
		"keep-alive":      {[]string{"keep-alive"}, reason.None},
		"upgrade":         {[]string{"Upgrade, HTTP2-Settings"}, reason.None},
		"empty":           {[]string{""}, reason.None},
		"almost":          {[]string{"authorization2, x-dpop"}, reason.None},
		"authorization":   {[]string{"Authorization"}, reason.ConnectionHeader},
		"dpop":            {[]string{"DPOP"}, reason.ConnectionHeader},
		"cookie":          {[]string{"cookie"}, reason.ConnectionHeader},
		"behind another":  {[]string{"close,\tauthorization "}, reason.ConnectionHeader},
		"in a second one": {[]string{"close", "x, dpop"}, reason.ConnectionHeader},
	} {
		t.Run(name, func(t *testing.T) {
			r := proven()
			r.HTTP.Header["Connection"] = c.fields
			if c.want == reason.None {
				newRig(t, enforced()).allows(r, c.want)
			} else {
				newRig(t, enforced()).blocks(r, c.want)
			}
			newRig(t, reported()).allows(r, reason.None)
		})
	}
}

// Contract, "Matching": exempt is the path that is forwarded, if what the
// client sent was unambiguous.
func TestExemptPaths(t *testing.T) {
	exempt := ok(target.ParsePatterns([]string{"/owa/healthcheck.htm", "/public/*"}))(t)
	for name, c := range map[string]struct {
		sent, forwarded string
		want            bool
	}{
		"exact":                        {"/owa/healthcheck.htm", "/owa/healthcheck.htm", true},
		"below":                        {"/public/a/b", "/public/a/b", true},
		"another":                      {"/owa/", "/owa/", false},
		"longer":                       {"/owa/healthcheck.htmx", "/owa/healthcheck.htmx", false},
		"another case":                 {"/PUBLIC/a", "/PUBLIC/a", false},
		"dot segments that stay":       {"/public/./a", "/public/./a", true},
		"dot segments that leave":      {"/public/../owa/", "/public/../owa/", false},
		"rewritten into":               {"/files/a", "/public/a", true},
		"rewritten out of":             {"/public/a", "/owa/a", false},
		"washed by a rewrite":          {"/public/..%2fowa", "/public/a", false},
		"encoded slash":                {"/public%2fa", "/public%2fa", false},
		"encoded backslash":            {"/public/%5c..%5cowa", "/public/%5c..%5cowa", false},
		"path parameter":               {"/public/a;x", "/public/a;x", false},
		"NUL":                          {"/public/%00", "/public/%00", false},
		"double encoding":              {"/public/%252e%252e/owa", "/public/%252e%252e/owa", false},
		"a sent path that is not told": {"", "/public/a", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, enforced(), func(s *setup) { s.Resource.Exempt = exempt })
			r := request("GET", audience+c.forwarded, nil)
			r.SentPath = c.sent
			d := g.Enforce(r)
			if d.Exempt != c.want || d.Allow != c.want || d.Recorded == c.want {
				t.Errorf("exempt %v, allow %v, recorded %v; want it exempt: %v", d.Exempt, d.Allow, d.Recorded, c.want)
			}
		})
	}
	t.Run("an exempt path is still no place for TRACE", func(t *testing.T) {
		g := newRig(t, enforced(), func(s *setup) { s.Resource.Exempt = exempt })
		r := request("TRACE", audience+"/public/a", nil)
		if d := g.blocks(r, reason.MethodRefused); d.Exempt {
			t.Error("exempt")
		}
	})
	t.Run("nothing spent, nothing verified", func(t *testing.T) {
		g := newRig(t, enforced(), func(s *setup) { s.Resource.Exempt = exempt })
		r := proven()
		r.HTTP.URL.Path, r.SentPath = "/public/a", "/public/a"
		if d := g.allows(r, reason.None); d.Bound || d.Claims != nil || g.DPoP.Replay.Stats().Entries != 0 {
			t.Errorf("%+v", d)
		}
	})
}

// RFC 8470, section 5.2: after the handshake the same connection is fine.
func TestAfterTheHandshakeARequestIsNotEarly(t *testing.T) {
	r := proven()
	if r.HTTP.TLS == nil || !r.HTTP.TLS.HandshakeComplete {
		t.Fatal("the fixture is not a request over TLS")
	}
	newRig(t, enforced()).allows(r, reason.None)
	r = proven()
	r.HTTP.TLS = nil // behind a terminator
	newRig(t, enforced()).allows(r, reason.None)
}

// The audience may be the host that the client addressed.
func TestHostAudience(t *testing.T) {
	g := newRig(t, enforced(), func(s *setup) { s.Resource.Audience, s.Resource.HostAudience = nil, true })
	g.allows(proven(), reason.None)
	foreign := mint(members{"aud": "https://files.contoso.example"})
	g.blocks(get("DPoP "+foreign, laptop.prove(foreign)), reason.TokenAudience)
	r := proven()
	r.URL = target.URL{} // cannot be told: no token is meant for it
	g.blocks(r, reason.TokenAudience)
}
