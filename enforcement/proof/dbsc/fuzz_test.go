// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// No Cookie field makes a request proven that was not, whatever comes with
// the application's cookie.
func FuzzCookiesProveNothingByThemselves(f *testing.F) {
	for _, seed := range []string{"FedAuth=a", "FedAuth=a; __Host-tp-link=x; __Host-tp-bound=y", `x=", FedAuth=a`, "fedauth=a", "=;=;", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		s := newSite(t)
		e := s.nodes[0]
		r := httptest.NewRequest(http.MethodGet, origin+"/", nil)
		r.Header["Cookie"] = []string{field}
		state := e.Inspect(r, s.now)
		if state.Proven() {
			t.Fatalf("%q: %q", field, state.Status)
		}
		if state.Status == Anonymous && bytes.Contains(bytes.ToLower([]byte(strings.ReplaceAll(field, " ", ""))), []byte(";fedauth=a")) {
			t.Fatalf("%q: passes for a request without a session cookie", field)
		}
		e.Strip(r.Header)
		for _, kept := range r.Header["Cookie"] {
			for pair := range strings.SplitSeq(kept, ";") {
				if name, _, _ := strings.Cut(pair, "="); isOurs(trim(name)) {
					t.Fatalf("%q: the backend gets %q", field, kept)
				}
			}
		}
		e.Withhold(r.Header, state)
		if again := e.Inspect(r, s.now); again.Status != Anonymous {
			t.Fatalf("%q: %q after withholding", field, again.Status)
		}
	})
}

// What opens was sealed for the same purpose and origin, and has one spelling.
func FuzzOpenAcceptsOnlyWhatWasSealed(f *testing.F) {
	sealed, err := newSealer("a", [][]byte{secret})
	if err != nil {
		f.Fatal(err)
	}
	good := sealed.seal([]byte("content"), origin)
	f.Add(good, origin)
	f.Add(good, "https://other.example.test")
	f.Add(good+"=", origin)
	f.Add(good[:len(good)-1]+"_", origin)
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, from string) {
		plain, ok := sealed.open(text, from)
		if !ok { // nonces are random: more than one text is good
			if text == good && from == origin {
				t.Fatal("what was sealed does not open")
			}
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != text || from != origin || string(plain) != "content" {
			t.Fatalf("%q from %q: %q", text, from, plain)
		}
	})
}

func FuzzDecodersTakeBackWhatTheyWrote(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{1}, linkSize))
	f.Add(bytes.Repeat([]byte{1}, possessionSize))
	f.Add(bytes.Repeat([]byte{1}, holderSize))
	f.Add(bytes.Repeat([]byte{1}, challengeSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, ok := decodeLink(b); ok {
			again, ok := decodeLink(l.encode())
			if !ok || !reflect.DeepEqual(again, l) {
				t.Fatalf("link %+v, again %+v", l, again)
			}
		}
		if p, ok := decodePossession(b); ok && !bytes.Equal(p.encode(), b) {
			t.Fatalf("possession %+v", p)
		}
		if c, ok := decodeChallenge(b); ok && !bytes.Equal(c.encode(), b) {
			t.Fatalf("challenge %+v", c)
		}
		if h, ok := decodeHolder(b); ok {
			text, err := h.encode()
			again, ok := decodeHolder(text)
			if err != nil || !ok || !reflect.DeepEqual(again, h) {
				t.Fatalf("holder %+v, again %+v: %v", h, again, err)
			}
		}
	})
}

func FuzzFieldStringHasNoDelimiters(f *testing.F) {
	f.Add(`"a"`)
	f.Add(`a;b="c"`)
	f.Fuzz(func(t *testing.T, field string) {
		if text, ok := fieldString(field); ok && (text == "" || strings.ContainsAny(text, "\"\\;,= \t\r\n")) {
			t.Fatalf("%q: %q", field, text)
		}
	})
}

func FuzzResponseNeverVerifiesByItself(f *testing.F) {
	v := "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRic2Mrand0In0.eyJqdGkiOiJ4In0."
	f.Add(v + strings.Repeat("A", 86))
	f.Add(v)
	f.Add(`"` + v + `AA"`)
	f.Fuzz(func(t *testing.T, field string) {
		s := newSite(t)
		b := s.enrolled()
		w := s.serve(0, b.post("refresh", field))
		if w.Code != http.StatusForbidden || w.Header().Get("Secure-Session-Challenge") == "" {
			t.Fatalf("%q: %d", field, w.Code)
		}
	})
}

func FuzzSetCookieNeverPanicsAndNeverBindsAThief(f *testing.F) {
	f.Add("FedAuth=x; Path=/; Max-Age=1")
	f.Add("__Host-tp-link=x; Path=/")
	f.Add("=;=;;Expires=;Max-Age=")
	f.Fuzz(func(t *testing.T, field string) {
		s := newSite(t)
		s.report = true
		thief := s.enrolled().thief("FedAuth")
		s.setCookies = []string{field}
		w := s.serve(0, thief.request(http.MethodGet, "/"))
		if w.Header().Get("Secure-Session-Registration") != "" {
			t.Fatalf("%q: offered", field)
		}
	})
}
