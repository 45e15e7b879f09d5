// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whatever a lenient backend could read as the session cookie, and we do not,
// must not pass for a request without one.
func TestCookiesThatABackendMayReadOtherwise(t *testing.T) {
	for _, field := range []string{
		"FedAuth=alice-1; FedAuth=tossed",
		"FedAuth=; FedAuth=alice-1",
		"FedAuth=alice-1; theme=dark; fedauth=tossed",
		"fedauth=alice-1",
		"FED%41UTH=alice-1",
		"x=1, FedAuth=alice-1",
		"x=1,FedAuth=alice-1",
		`x="a; FedAuth=alice-1`, // exact for us, within a string for others
		`x="a"FedAuth=alice-1`,
		`"FedAuth=alice-1`,
		"x=1\tFedAuth=alice-1",
		"x=1 FedAuth =alice-1",
		linkCookie + "=a; " + linkCookie + "=b",
		boundCookie + "=; " + boundCookie + "=b",
	} {
		s := newSite(t)
		r := s.newBrowser().request(http.MethodGet, "/")
		r.Header.Set("Cookie", field)
		s.serve(0, r)
		if s.received != nil {
			t.Errorf("%s: reached the application as %q", field, s.state.Status)
		}
	}
}

func TestCookiesOverSeveralFields(t *testing.T) {
	s := newSite(t)
	r := s.newBrowser().request(http.MethodGet, "/")
	r.Header["Cookie"] = []string{"FedAuth=alice-1", "x=y", "FedAuth=tossed"}
	s.serve(0, r)
	s.wantStatus(Ambiguous)
}

func TestOrdinaryCookiesAreNotAmbiguous(t *testing.T) {
	for _, field := range []string{
		"theme=dark; FedAuth=alice-1; x=\"quoted value\"; y=a,b; z=FedAuth; NotFedAuth=1; FedAuth2=x",
		`FedAuth="alice-1"`,
		"FedAuth=alice==; u=%FedAuth; =nameless; nameless; ;;",
		"x=\"",
	} {
		s := newSite(t)
		r := s.newBrowser().request(http.MethodGet, "/")
		r.Header.Set("Cookie", field)
		s.serve(0, r)
		if s.state.Status == Ambiguous {
			t.Errorf("%s: ambiguous", field)
		}
	}
}

// PHP reads PHP.SESS.ID as PHP_SESS_ID.
func TestMangledNames(t *testing.T) {
	s := newSite(t, func(c *Config) { c.SessionCookies = []string{"PHP_SESS_ID"} })
	for _, name := range []string{"PHP.SESS.ID", "PHP[SESS_ID", "php_sess_id", "PHP%5fSESS%5FID"} {
		r := s.newBrowser().request(http.MethodGet, "/")
		r.Header.Set("Cookie", name+"=stolen")
		s.serve(0, r)
		s.wantStatus(Ambiguous)
	}
}

func TestValuesAreHashedVerbatim(t *testing.T) {
	s := newSite(t)
	b := s.newBrowser()
	w := b.signIn(`FedAuth="a b==,c"; Path=/`)
	link, _, _ := strings.Cut(w.Header()["Set-Cookie"][1], ";")
	r := b.request(http.MethodGet, "/")
	r.Header.Set("Cookie", `FedAuth="a b==,c"; `+link)
	s.serve(0, r)
	s.wantStatus(Grace)
}

// A cookie's name is part of what is hashed.
func TestDigestTellsCookiesApart(t *testing.T) {
	e := newSite(t).nodes[0]
	seen := map[digest]string{}
	for i := range e.SessionCookies {
		for _, value := range []string{"a", "b", "ab", "=a", "a\x00"} {
			d := e.digestOf(i, value)
			if other, ok := seen[d]; ok || d == (digest{}) {
				t.Errorf("%q: like %q", value, other)
			}
			seen[d] = value
		}
		if e.digestOf(i, "") != (digest{}) {
			t.Error("nothing has a digest")
		}
	}
}

// Links of another configuration do not fit.
func TestLinkOfOtherCookies(t *testing.T) {
	s := newSite(t)
	s.addNode(func(c *Config) { c.SessionCookies = []string{"FedAuth"} })
	s.addNode(func(c *Config) { c.SessionCookies = []string{"rtFa", "FedAuth"} })
	for node := 1; node <= 2; node++ {
		b := s.enrolled()
		b.node = node
		s.refused(b.get("/").Code, Mismatched)
	}
}

func TestParseSetCookie(t *testing.T) {
	for field, want := range map[string]assignment{
		"a=b": {name: "a", value: "b", sameSite: sameSiteAbsent},
		" a = b c ; PATH=/x ; domain=.example.test; SameSite=none; Secure": {name: "a", value: "b c", path: "/x", domain: ".example.test", sameSite: sameSiteNone},
		"a=b=c; SameSite=Strict; Max-Age=60":                               {name: "a", value: "b=c", sameSite: sameSiteStrict, life: time.Minute},
		"a=b; SameSite=lax; Max-Age=-1":                                    {name: "a", value: "b", sameSite: sameSiteLax, deletes: true},
		"a=b; Max-Age=99999999999":                                         {name: "a", value: "b", sameSite: sameSiteAbsent, life: maxLife},
		"a=b; Max-Age=nonsense; SameSite=other":                            {name: "a", value: "b", sameSite: sameSiteAbsent},
		"a=b; Expires=Wed, 25 Nov 2026 10:00:00 GMT":                       {name: "a", value: "b", sameSite: sameSiteAbsent, life: time.Hour},
		"a=b; expires=Wed, 25-Nov-2026 10:00:00 GMT":                       {name: "a", value: "b", sameSite: sameSiteAbsent, life: time.Hour},
		"a=b; expires=Wednesday, 25-Nov-26 10:00:00 GMT":                   {name: "a", value: "b", sameSite: sameSiteAbsent, life: time.Hour},
		"a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT":                       {name: "a", value: "b", sameSite: sameSiteAbsent, life: epoch.Sub(epoch.Add(-maxLife)) * -1, deletes: true},
		"a=b; Max-Age=60; expires=Thu, 01 Jan 1970 00:00:00 GMT":           {name: "a", value: "b", sameSite: sameSiteAbsent, life: time.Minute},
		"a=b; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60":           {name: "a", value: "b", sameSite: sameSiteAbsent, life: time.Minute},
		"a=b; expires=soon":                                                {name: "a", value: "b", sameSite: sameSiteAbsent},
		"a=":                                                               {name: "a", sameSite: sameSiteAbsent, deletes: true},
		"a":                                                                {name: "a", sameSite: sameSiteAbsent, deletes: true},
		"":                                                                 {sameSite: sameSiteAbsent, deletes: true},
	} {
		got := parseSetCookie(field, epoch)
		if got.life < 0 {
			got.life, want.life = 0, 0 // how long ago does not matter
		}
		if got != want {
			t.Errorf("%q: %+v, want %+v", field, got, want)
		}
	}
}

func TestCookiePathCoversOurEndpoints(t *testing.T) {
	for _, test := range []struct {
		path, request string
		want          bool
	}{
		{"/", "/x", true}, {"", "/signin", true}, {"", "/app/signin", false}, {"/.token-protection", "/", true},
		{"/.token", "/", false}, {"/.token-protection/dbsc/", "/", true}, {"relative", "/", true}, {"/app", "/", false}, {"", "", true},
	} {
		a := assignment{path: test.path}
		if got := a.covers(DefaultPath+"/", test.request); got != test.want {
			t.Errorf("path %q at %q: %v", test.path, test.request, got)
		}
	}
}

func TestFieldString(t *testing.T) {
	for field, want := range map[string]string{
		"a.b_c-D9": "a.b_c-D9", `"abc"`: "abc", ` "abc" `: "abc", "": "", `""`: "", `"abc`: "", `abc"`: "", `"a\"b"`: "",
		`"a";p=1`: "", `"a", "b"`: "", "a,b": "", "a b": "", ":YQ==:": "", "a=": "", `"`: "", "ä": "",
	} {
		got, ok := fieldString(field)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", field, got, ok)
		}
	}
}
