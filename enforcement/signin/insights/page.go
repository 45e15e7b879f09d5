// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageScript string

	page = template.Must(template.New("page").Parse(pageHTML))
)

// Content security policies (Content Security Policy Level 3): nothing is loaded, and nothing runs but what is named by its
// hash.
var (
	servedPolicy  = "default-src 'none'; img-src data:; style-src " + hash(pageCSS) + "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	writtenPolicy = "default-src 'none'; img-src data:; style-src " + hash(pageCSS) + "; script-src " + hash(pageScript) + "; form-action 'none'; base-uri 'none'"
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// content is what the template is given.
type content struct {
	View    *view
	Written bool
	Policy  string
	CSS     template.CSS
	Script  template.JS
	Data    template.JS
	Kept    map[string]string // filters that the form keeps without showing them
}

// WritePage writes the board as one file that needs nothing else: a script in it filters the counts in it.
func (b *Board) WritePage(w io.Writer) error {
	data, err := b.data()
	if err != nil {
		return err
	}
	// The script, the style and the data are ours: the data is JSON in which encoding/json has escaped HTML.
	return page.Execute(w, content{
		View: b.view(query{}, "#"), Written: true, Policy: writtenPolicy, CSS: template.CSS(pageCSS), Script: template.JS(pageScript), Data: template.JS(data), //nolint:gosec // see above
	})
}

// ServeHTTP serves the page. Filters are query parameters; links keep the path.
func (b *Board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	q := parseQuery(r.URL.Query())
	kept := map[string]string{"outcome": outcomeParams[q.outcome]}
	for d, value := range q.values {
		if d != byUser && d != byApp {
			kept[described[d].param] = value
		}
	}
	for name, value := range kept {
		if value == "" {
			delete(kept, name)
		}
	}
	var body bytes.Buffer
	if err := page.Execute(&body, content{View: b.view(q, "?"), CSS: template.CSS(pageCSS), Kept: kept}); err != nil { //nolint:gosec // ours
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", servedPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(body.Bytes())
}
