// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func serve(t testing.TB, b *Board, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func writtenPage(t testing.TB, b *Board) string {
	t.Helper()
	var page strings.Builder
	if err := b.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

// golden compares a page with a file, or with UPDATE=1 writes the file. Style and script are files of their own.
func golden(t *testing.T, name, page string) {
	t.Helper()
	page = strings.Replace(strings.Replace(page, pageCSS, "(page.css)", 1), pageScript, "(page.js)", 1)
	page = regexp.MustCompile(`sha256-.*?&#39;`).ReplaceAllString(page, "sha256-(hash)&#39;")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/"+name, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if page != string(want) {
		t.Errorf("%s is not as it was: look at what UPDATE=1 changes", name)
	}
}

func TestPagesAreAsTheyWere(t *testing.T) {
	b := boardOf(Limits{Details: 20}, office(200, 12, 30*time.Hour, 6))
	golden(t, "written.html", writtenPage(t, b))
	golden(t, "served.html", serve(t, b, http.MethodGet, "/insights?policy=id%3Aeverybody&outcome=failure&range=24h&reason=1008+scheme_mismatch").Body.String())
	golden(t, "empty.html", serve(t, NewBoard(Limits{}), http.MethodGet, "/").Body.String())
	golden(t, "hostile.html", writtenPage(t, boardOf(Limits{}, hostileLog())))
}

func TestServesToGetAndHeadWithStrictHeaders(t *testing.T) {
	b := boardOf(Limits{}, office(50, 5, time.Hour, 6))
	w := serve(t, b, http.MethodGet, "/")
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "no-referrer", "Content-Security-Policy": servedPolicy,
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if strings.Contains(servedPolicy, "unsafe") || strings.Contains(writtenPolicy, "unsafe") || strings.Contains(servedPolicy, "script-src") {
		t.Errorf("policies %q, %q", servedPolicy, writtenPolicy)
	}
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<script") {
		t.Errorf("%d, or a script in the served page", w.Code)
	}
	if w := serve(t, b, http.MethodPost, "/"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
	if w := serve(t, b, http.MethodHead, "/"); w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
}

// No page refers to anything outside of itself.
func TestPagesLoadNothing(t *testing.T) {
	b := boardOf(Limits{}, office(50, 5, time.Hour, 6))
	for name, page := range map[string]string{"written": writtenPage(t, b), "served": serve(t, b, http.MethodGet, "/").Body.String()} {
		page = strings.ReplaceAll(page, "http://www.w3.org/2000/svg", "") // a name, not an address
		for _, mark := range []string{"http:", "https:", "src=", "url(", "@import", "style=", " on", "fetch(", "import("} {
			text := page
			if mark == " on" {
				text = regexp.MustCompile(` on[a-z]+=`).FindString(page)
			}
			if strings.Contains(text, mark) {
				t.Errorf("%s: %q", name, mark)
			}
		}
	}
}

// Hostile names are text wherever they stand, and come out as they went in.
func TestHostileNamesAreText(t *testing.T) {
	b := boardOf(Limits{}, hostileLog())
	written := writtenPage(t, b)
	pages := map[string]string{"written": written, "served": serve(t, b, http.MethodGet, "/").Body.String()}
	for _, name := range hostile {
		q := url.Values{"search": {name}, "user": {name}, "app": {name}, "policy": {policyPrefix + name}, "network": {name}, "from": {name}, "outcome": {name}}
		pages["asked for "+name] = serve(t, b, http.MethodGet, "/?"+q.Encode()).Body.String()
	}
	for title, page := range pages {
		for _, mark := range []string{"<img", "<script>window", "</script><script>", "<!--", `href="javascript:`} {
			if strings.Contains(strings.ToLower(page), mark) {
				t.Errorf("%s: has %s", title, mark)
			}
		}
		if scripts := strings.Count(page, "<script"); scripts > 2 || title != "written" && scripts > 0 {
			t.Errorf("%s: %d scripts", title, scripts)
		}
	}
	for _, name := range hostile[:2] {
		if !strings.Contains(pages["served"], html.EscapeString(name)) && !strings.Contains(html.UnescapeString(pages["served"]), name) {
			t.Errorf("%q does not come out as it went in", name)
		}
	}
	start := strings.Index(written, `id="data">`) + len(`id="data">`)
	var data embedded
	if err := json.Unmarshal([]byte(written[start:start+strings.Index(written[start:], "</script>")]), &data); err != nil {
		t.Fatal(err)
	}
	if got := data.Dimensions[byUser].Names[1]; got != hostile[0] {
		t.Errorf("embedded %q, want %q", got, hostile[0])
	}
}

func TestLinksToggleAndKeepTheOtherFilters(t *testing.T) {
	q := parseQuery(url.Values{"policy": {"on"}, "app": {"Outlook"}, "range": {"7d"}, "outcome": {"failure"}, "nonsense": {"x"}, "to": {"tomorrow"}})
	if got := q.encode(); got != "app=Outlook&outcome=failure&policy=on&range=7d" {
		t.Errorf("encoded %q", got)
	}
	if got := q.toggled(byApp, "Outlook").toggled(byDevice, "No device").encode(); got != "device=No+device&outcome=failure&policy=on&range=7d" {
		t.Errorf("toggled %q", got)
	}
	v := boardOf(Limits{}, office(50, 5, time.Hour, 6)).view(q, "?")
	if v.Tiles[2].Href != "?app=Outlook&policy=on&range=7d" || !v.Tiles[2].Selected || v.Tiles[0].Href != "?app=Outlook&policy=on&range=7d" {
		t.Errorf("%+v", v.Tiles)
	}
	if len(v.Chips) != 4 || v.Chips[1].Label != "Outcome: Failure" || v.Chips[1].Href != "?app=Outlook&policy=on&range=7d" {
		t.Errorf("%+v", v.Chips)
	}
}

func FuzzNoQueryBreaksThePage(f *testing.F) {
	for _, q := range queries {
		f.Add(q)
	}
	b := boardOf(Limits{}, office(100, 9, 48*time.Hour, 7))
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q := parseQuery(values)
		again, err := url.ParseQuery(q.encode())
		if err != nil || parseQuery(again) != q {
			t.Errorf("%q reads back as %q", q.encode(), parseQuery(again).encode())
		}
		v := b.view(q, "?")
		if v.Tiles[1].Count == "" || len(v.Breakdowns) != dimensions {
			t.Errorf("%+v", v)
		}
	})
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorsAreReturned(t *testing.T) {
	if err := NewBoard(Limits{}).WritePage(full{}); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

func TestBoardsAreSafeForConcurrentUse(t *testing.T) {
	b := NewBoard(Limits{Cells: 200, Details: 20})
	entries := office(2000, 100, 10*24*time.Hour, 8)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range entries {
			b.Add(&entries[i])
		}
	}()
	for range 20 {
		if err := b.WritePage(new(bytes.Buffer)); err != nil {
			t.Error(err)
		}
		serve(t, b, http.MethodGet, "/?outcome=failure")
	}
	<-done
}
