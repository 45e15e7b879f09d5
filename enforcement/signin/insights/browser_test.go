// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/chromium"
)

// TestBrowser looks at both forms of the page in a real browser. With SCREENSHOTS=<folder> it leaves pictures to look at.
func TestBrowser(t *testing.T) {
	chromium.Find(t)
	b := chromium.Start(t, nil)
	b.Listen()
	b.Resize(1280, 900, false)
	for name, look := range map[string]func(*visitor){
		"both forms say the same for every query": bothFormsSayTheSame,
		"tiles filter on click, and back undoes":  tilesFilterOnClick,
		"the form filters as one types":           formFilters,
		"the keyboard is enough":                  keyboardIsEnough,
		"hostile names are text":                  hostileNamesAreText,
		"a million sign-ins":                      millionSignIns,
		"every control has a name":                everyControlHasAName,
		"fits a phone":                            fitsAPhone,
		"contrast is enough":                      contrastIsEnough,
		"pictures":                                pictures,
	} {
		t.Run(name, func(t *testing.T) {
			b.For(t)
			b.Resize(1280, 900, false)
			look(&visitor{T: t, b: b})
		})
	}
}

type visitor struct {
	*testing.T
	b *chromium.Browser
}

// opens writes a board's page to a file and opens it.
func (v *visitor) opens(board *Board) {
	v.Helper()
	path := filepath.Join(v.TempDir(), "insights.html")
	if err := os.WriteFile(path, []byte(writtenPage(v, board)), 0o600); err != nil {
		v.Fatal(err)
	}
	v.loads("file://" + path)
}

// loads opens a URL and waits for the page.
func (v *visitor) loads(address string) {
	v.Helper()
	v.b.Navigate("about:blank")
	v.waits("location.href === 'about:blank'")
	v.b.Navigate(address)
	v.waits("document.readyState === 'complete' && !!document.getElementById('details')")
}

func (v *visitor) waits(condition string) {
	v.Helper()
	if !chromium.Eventually(func() bool { return v.b.Do(condition) == "true" }) {
		v.Fatalf("%s does not come true: %q", condition, v.b.Do("document.body.innerText.slice(0, 500)"))
	}
}

// says is what the parts of the page read that depend on the filters.
func (v *visitor) says() string {
	v.Helper()
	return v.b.Do(`["chips","tiles","banner","trend","breakdowns","details"].map((id) => id + ": " + document.getElementById(id).innerText +
		[...document.querySelectorAll("#" + id + " rect")].map((r) => ["class", "x", "y", "width", "height"].map((a) => +r.getAttribute(a) ? (+r.getAttribute(a)).toFixed(1) : r.getAttribute(a))).join(" ") +
		[...document.querySelectorAll("#" + id + " [aria-current]")].map((e) => e.innerText)).join("\n")`)
}

func (v *visitor) expectQuiet() {
	v.Helper()
	if got := v.b.Complaints(); len(got) > 0 {
		v.Errorf("the console shows %q", got)
	}
}

func bothFormsSayTheSame(v *visitor) {
	v.expectTheSame(boardOf(Limits{}, office(5000, 60, 4*24*time.Hour, 1)))
	v.expectTheSame(boardOf(Limits{Cells: 300, Details: 30}, office(5000, 600, 40*24*time.Hour, 1))) // counts much together
}

func (v *visitor) expectTheSame(board *Board) {
	v.Helper()
	server := httptest.NewServer(board)
	defer server.Close()
	v.opens(board)
	written := make(map[string]string)
	for _, query := range queries {
		v.b.Do("location.hash = " + strconv.Quote(query))
		v.b.Do("new Promise((done) => setTimeout(done, 50))")
		written[query] = v.says()
	}
	v.expectQuiet()
	for _, query := range queries {
		v.loads(server.URL + "/?" + query)
		if served := v.says(); served != written[query] {
			at := 0
			for at < min(len(served), len(written[query])) && served[at] == written[query][at] {
				at++
			}
			from := max(at-80, 0)
			v.Errorf("%s:\nserved  %q\nwritten %q", query, served[from:min(at+120, len(served))], written[query][from:min(at+120, len(written[query]))])
		}
		v.expectQuiet()
	}
}

func (v *visitor) count(tile string) string {
	v.Helper()
	return v.b.Do("document.querySelector('.tile." + tile + " .count').innerText")
}

func tilesFilterOnClick(v *visitor) {
	board := boardOf(Limits{}, office(2000, 40, 3*24*time.Hour, 2))
	server := httptest.NewServer(board)
	defer server.Close()
	for _, open := range []func(){func() { v.opens(board) }, func() { v.loads(server.URL) }} {
		open()
		failures := v.count("failure")
		v.b.Do("document.querySelector('.tile.failure').click()")
		v.waits("document.querySelector('.tile.failure').getAttribute('aria-current') === 'true'")
		v.waits("[...document.querySelectorAll('#details .mark')].every((e) => e.innerText === 'Failure')")
		if got := v.count("failure"); got != failures || v.count("total") == failures {
			v.Errorf("the tiles change with the outcome: %s, was %s", got, failures)
		}
		v.b.Do("[...document.querySelectorAll('#by-reason a')].find((a) => a.innerText.includes('1008')).click()")
		v.waits("document.querySelectorAll('#chips .chip').length === 2")
		v.waits("[...document.querySelectorAll('#details tbody tr')].every((e) => e.innerText.includes('scheme_mismatch'))")
		v.b.Do("history.back()")
		v.waits("document.querySelectorAll('#chips .chip').length === 1")
		v.b.Do("document.querySelector('#chips .chip').click()")
		v.waits("document.querySelector('#chips').innerText === 'No filter in force.'")
		v.expectQuiet()
	}
}

func formFilters(v *visitor) {
	board := boardOf(Limits{}, office(2000, 40, 3*24*time.Hour, 2))
	v.opens(board)
	v.b.Do("const f = document.forms[0].elements; f.user.focus(); f.user.value = 'ANA'; f.user.dispatchEvent(new Event('input', {bubbles: true}))")
	v.waits("document.querySelector('#chips').innerText.includes('Users: ANA')")
	v.waits("[...document.querySelectorAll('#details tbody th')].every((e) => e.innerText.startsWith('ana'))")
	v.b.Do("f.policy.value = 'id:everybody'; f.policy.dispatchEvent(new Event('input', {bubbles: true}))")
	v.waits("document.querySelector('#banner h2').innerText.startsWith('What if “Require token protection for everybody” were on?')")
	v.expectQuiet()
	server := httptest.NewServer(board)
	defer server.Close()
	v.loads(server.URL + "/?outcome=failure&reason=1008+scheme_mismatch")
	v.b.Do("document.forms[0].elements.user.value = 'eve'; document.forms[0].submit()")
	v.waits("location.search.includes('user=eve') && location.search.includes('reason=1008+scheme_mismatch') && location.search.includes('outcome=failure')")
	v.expectQuiet()
}

func keyboardIsEnough(v *visitor) {
	v.opens(boardOf(Limits{}, office(2000, 40, 3*24*time.Hour, 2)))
	v.b.Press("Tab")
	v.waits("document.activeElement.className === 'skip'")
	for i := 0; v.b.Do("document.activeElement.className") != "tile failure"; i++ {
		if v.b.Press("Tab"); i > 60 {
			v.Fatal("the tile is out of the keyboard's reach")
		}
		if v.b.Do("getComputedStyle(document.activeElement).outlineStyle") == "none" {
			v.Errorf("no focus to be seen on %s", v.b.Do("document.activeElement.outerHTML.slice(0, 200)"))
		}
	}
	v.b.Press("Enter")
	v.waits("document.querySelector('.tile.failure').getAttribute('aria-current') === 'true'")
	v.waits("document.activeElement.className === 'tile failure'") // the focus stays where it was
	v.expectQuiet()
}

func hostileNamesAreText(v *visitor) {
	board := boardOf(Limits{}, hostileLog())
	server := httptest.NewServer(board)
	defer server.Close()
	for _, open := range []func(string){
		func(query string) {
			v.opens(board)
			v.b.Do("location.hash = " + strconv.Quote(query))
			v.b.Do("new Promise((done) => setTimeout(done, 50))")
		},
		func(query string) { v.loads(server.URL + "/?" + query) },
	} {
		for _, name := range hostile[:11] { // the others have bytes that a page shows otherwise
			open(url.Values{"user": {name}, "app": {name}, "search": {name}}.Encode())
			if pwned := v.b.Do("String(window.pwned)"); pwned != "undefined" {
				v.Fatalf("%q ran", name)
			}
			if got := v.b.Do("document.querySelector('#details tbody th span').textContent"); got != name {
				v.Errorf("%q shows as %q", name, got)
			}
			v.expectQuiet()
		}
	}
}

func millionSignIns(v *visitor) {
	board := NewBoard(Limits{})
	entries := office(50000, 3000, 30*24*time.Hour, 5)
	for range 20 {
		for i := range entries {
			board.Add(&entries[i])
		}
	}
	v.opens(board)
	took := v.b.Do("{ const start = performance.now(); location.hash = 'outcome=failure'; new Promise((done) => addEventListener('hashchange', () => setTimeout(() => done(performance.now() - start)))) }")
	if ms, err := strconv.ParseFloat(took, 64); err != nil || ms > 2000 {
		v.Errorf("filtering takes %s ms", took)
	}
	v.Logf("filtering takes %s ms", took)
	v.expectQuiet()
}

func everyControlHasAName(v *visitor) {
	board := boardOf(Limits{}, office(2000, 40, 3*24*time.Hour, 2))
	v.opens(board)
	if got := v.b.Do(`JSON.stringify([...document.querySelectorAll("a, input, select, button, summary, svg[role=img]")].filter((e) =>
		!e.hidden && e.type !== "hidden" && !(e.innerText || e.textContent || "").trim() && !e.labels?.length && !e.getAttribute("aria-label")).map((e) => e.outerHTML))`); got != "[]" {
		v.Errorf("without a name: %s", got)
	}
	if got := v.b.Do(`JSON.stringify([...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i))`); got != "[]" {
		v.Errorf("ids twice: %s", got)
	}
	if got := v.b.Do(`document.documentElement.lang + document.querySelectorAll("h1").length + document.querySelectorAll("main").length`); got != "en11" {
		v.Errorf("language, headings, main: %s", got)
	}
}

func fitsAPhone(v *visitor) {
	v.b.Resize(360, 740, false)
	v.opens(boardOf(Limits{}, append(office(2000, 40, 3*24*time.Hour, 2), hostileLog()...)))
	if got := v.b.Do("String(document.documentElement.scrollWidth)"); got != "360" {
		v.Errorf("the page is %s pixels wide: %s", got, v.b.Do(`JSON.stringify([...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > 361 && !e.closest(".scroll, .skip, .hidden")).slice(0, 5).map((e) => e.outerHTML.slice(0, 150)))`))
	}
	if got := v.b.Do(`JSON.stringify([...document.querySelectorAll("#tiles a, #filters select, #filters input, .breakdown li a")].filter((e) => { const r = e.getBoundingClientRect(); return r.height && r.height < 32 }).map((e) => e.outerHTML.slice(0, 150)))`); got != "[]" {
		v.Errorf("too small to touch: %s", got)
	}
}

// contrastIsEnough measures what text has against its ground: 4.5 to 1 (WCAG 2.2, 1.4.3).
func contrastIsEnough(v *visitor) {
	for _, dark := range []bool{false, true} {
		v.b.Resize(1280, 900, dark)
		v.opens(boardOf(Limits{}, office(2000, 40, 3*24*time.Hour, 2)))
		if got := v.b.Do(`{
			const rgb = (c) => (c.match(/[\d.]+/g) || []).map(Number), light = ([r, g, b]) => { const f = (x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
			const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
			const poor = new Set();
			for (const e of document.querySelectorAll("body *")) {
				if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || e.closest("svg, script, .hidden, [hidden]")) continue;
				const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
				if (ratio < 4.5) poor.add(e.tagName + "." + e.className + " " + ratio.toFixed(2));
			}
			JSON.stringify([...poor]) }`); got != "[]" {
			v.Errorf("dark %v: %s", dark, got)
		}
	}
}

func pictures(v *visitor) {
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		v.Skip("SCREENSHOTS=<folder> leaves pictures there")
	}
	board := boardOf(Limits{}, office(8000, 80, 6*24*time.Hour, 2))
	for name, screen := range map[string]struct {
		width int
		dark  bool
		query string
	}{
		"desktop": {1280, false, ""}, "desktop-dark": {1280, true, ""}, "phone": {390, false, ""}, "phone-dark": {390, true, "outcome=failure"},
		"filtered": {1280, false, "policy=id:everybody&outcome=failure&range=24h&platform=windows"},
	} {
		v.b.Resize(screen.width, 900, screen.dark)
		v.opens(board)
		v.b.Do("location.hash = " + strconv.Quote(screen.query))
		v.b.Do("new Promise((done) => setTimeout(done, 100))")
		v.b.Do("document.querySelectorAll('#details tbody tr').forEach((e, i) => { if (i > 11) e.remove() })") // enough to see
		if err := os.WriteFile(filepath.Join(folder, name+".png"), v.b.Screenshot(), 0o600); err != nil {
			v.Fatal(err)
		}
	}
}
