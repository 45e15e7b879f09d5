// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"bufio"
	"encoding/json"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// plays are the cases of testdata/cases.jsonl by their id.
var plays = map[string]func(*testing.T) []*httptest.ResponseRecorder{
	"DBSC-001": func(t *testing.T) []*httptest.ResponseRecorder {
		return []*httptest.ResponseRecorder{newSite(t).enrolled().get("/")}
	},
	"DBSC-002": func(t *testing.T) []*httptest.ResponseRecorder {
		b := newSite(t).newBrowser()
		b.signIn("FedAuth=alice-1; Path=/")
		w := b.register()
		if w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(w.Body.String(), "session_identifier") || b.cookies[boundCookie] == "" {
			t.Errorf("header %v", w.Header())
		}
		return []*httptest.ResponseRecorder{w}
	},
	"DBSC-003": func(t *testing.T) (all []*httptest.ResponseRecorder) {
		s := newSite(t)
		b := s.newBrowser()
		b.signIn("FedAuth=alice-1; Path=/")
		invented := b.jwt(object{"jwk": b.jwk()}, object{"jti": "invented"})
		all = append(all, b.send(b.post("register", invented)))
		used := b.registration()
		b.register()
		all = append(all, b.send(b.post("register", used)))
		b = s.newBrowser()
		b.signIn("FedAuth=bob-1; Path=/")
		s.now = s.now.Add(DefaultChallengeLife)
		return append(all, b.register())
	},
	"DBSC-007": func(t *testing.T) []*httptest.ResponseRecorder {
		b := newSite(t).enrolled()
		w := b.send(b.post("refresh", ""))
		wantChallenge(t, w, b)
		return []*httptest.ResponseRecorder{w}
	},
	"DBSC-008": func(t *testing.T) []*httptest.ResponseRecorder {
		b := newSite(t).enrolled()
		before := b.cookies[boundCookie]
		w := b.refresh()
		if b.cookies[boundCookie] == before {
			t.Error("no new bound cookie")
		}
		return []*httptest.ResponseRecorder{w}
	},
	"DBSC-009": func(t *testing.T) []*httptest.ResponseRecorder {
		s := newSite(t)
		b := s.enrolled()
		b.key = s.newBrowser().key
		w := b.refresh()
		wantChallenge(t, w, b)
		return []*httptest.ResponseRecorder{w}
	},
	"DBSC-011": func(t *testing.T) []*httptest.ResponseRecorder {
		b := newSite(t).enrolled()
		before := b.proof()
		b.send(b.post("refresh", "")) // the other tab gets a newer challenge
		return []*httptest.ResponseRecorder{b.send(b.post("refresh", before))}
	},
	"DBSC-016": func(t *testing.T) []*httptest.ResponseRecorder {
		s := newSite(t)
		b := s.enrolled()
		s.now = s.now.Add(DefaultBoundLife)
		w := b.get("/")
		if s.received != nil {
			t.Error("reached the application")
		}
		return []*httptest.ResponseRecorder{w}
	},
	"DBSC-017": func(t *testing.T) []*httptest.ResponseRecorder {
		s := newSite(t)
		thief := s.enrolled().thief()
		s.now = s.now.Add(DefaultBoundLife - time.Second)
		return []*httptest.ResponseRecorder{thief.get("/")}
	},
	"DBSC-020": func(t *testing.T) []*httptest.ResponseRecorder {
		s := newSite(t)
		b := s.enrolled()
		s.now = s.now.Add(DefaultBoundLife)
		return []*httptest.ResponseRecorder{b.get("/static/logo.png")}
	},
}

func wantChallenge(t *testing.T, w *httptest.ResponseRecorder, b *browser) {
	t.Helper()
	if got := w.Header().Get("Secure-Session-Challenge"); quoted(got, "") == "" || quoted(got, "id=") != b.session {
		t.Errorf("challenge %q", got)
	}
}

func TestCorpus(t *testing.T) {
	file, err := os.Open("testdata/cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var count int
	for lines := bufio.NewScanner(file); lines.Scan(); count++ {
		var c struct {
			ID     string
			Expect struct {
				Status int
				AlsoOK []struct{ Status int } `json:"also_ok"`
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.ID, func(t *testing.T) {
			play := plays[c.ID]
			if play == nil {
				t.Fatal("nobody plays this case")
			}
			accepted := []int{c.Expect.Status}
			for _, also := range c.Expect.AlsoOK {
				accepted = append(accepted, also.Status)
			}
			for i, w := range play(t) {
				if !slices.Contains(accepted, w.Code) {
					t.Errorf("answer %d: %d, want one of %v", i, w.Code, accepted)
				}
			}
		})
	}
	if count != len(plays) {
		t.Errorf("%d cases, %d plays", count, len(plays))
	}
}
