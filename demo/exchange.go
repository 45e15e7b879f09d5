// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxHold bounds how long a ping holds its request.
	maxHold = 30 * time.Minute
	// maxChunks bounds a long poll, whose chunks come every chunkInterval by default.
	maxChunks     = 10000
	chunkInterval = 100 * time.Millisecond
)

// Exchange returns a backend that behaves as Exchange does on the wire:
//
//   - /EWS/Exchange.asmx            answers at once
//   - /Microsoft-Server-ActiveSync  ?Cmd=Ping&heartbeat=<seconds> holds the request that long
//   - /mapi/emsmdb                  ?chunks=<n>&interval=<milliseconds> streams n chunks, then answers
//     GET  /owa/                         a page
//     GET  /owa/healthcheck.htm          for load balancers
//     GET  /owa/auth/logon.aspx          a form, to sign in with a browser; see webmail
//
// Answers are JSON and show which headers reached the backend.
func Exchange() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/EWS/Exchange.asmx", serveEWS)
	mux.HandleFunc("/Microsoft-Server-ActiveSync", serveActiveSync)
	mux.HandleFunc("/mapi/emsmdb", serveMAPI)
	(&webmail{users: make(map[string]User)}).register(mux)
	mux.HandleFunc("GET /owa/healthcheck.htm", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "200 OK\n")
	})
	mux.HandleFunc("GET /health", serveHealth)
	return mux
}

func serveEWS(w http.ResponseWriter, r *http.Request) {
	said := answerTo("exchange", r)
	said.Bytes, _ = io.Copy(io.Discard, r.Body)
	said.Result = map[string]any{"unread": 3}
	writeJSON(w, http.StatusOK, said)
}

// serveActiveSync answers a ping when its time is over: nothing ever changes in
// the mailbox. The status is that of [MS-ASCMD], section 2.2.3.177.11.
func serveActiveSync(w http.ResponseWriter, r *http.Request) {
	said := answerTo("exchange", r)
	said.Bytes, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Query().Get("Cmd") == "Ping" {
		hold := time.Duration(number(r, "heartbeat", 1, int(maxHold/time.Second))) * time.Second
		if !pause(r, hold) {
			return
		}
		said.Result = map[string]any{"status": 1, "heartbeat": int(hold / time.Second)}
	}
	writeJSON(w, http.StatusOK, said)
}

// serveMAPI keeps its answer open as MAPI over HTTP does ([MS-OXCMAPIHTTP],
// section 2.2.7): PROCESSING, any number of PENDING, DONE and the answer itself.
func serveMAPI(w http.ResponseWriter, r *http.Request) {
	said := answerTo("exchange", r)
	said.Bytes, _ = io.Copy(io.Discard, r.Body)
	chunks := number(r, "chunks", 3, maxChunks)
	interval := time.Duration(number(r, "interval", int(chunkInterval/time.Millisecond), 60000)) * time.Millisecond
	stream := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/mapi-http")
	w.Header().Set("Cache-Control", "no-store")
	chunk := "PROCESSING\r\n"
	for range chunks {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
		if err := stream.Flush(); err != nil || !pause(r, interval) {
			return
		}
		chunk = "PENDING\r\n"
	}
	_, _ = io.WriteString(w, "DONE\r\n\r\n")
	_ = json.NewEncoder(w).Encode(said)
}

// serveOWA names the user, if the request comes with a session.
func serveOWA(w http.ResponseWriter, r *http.Request, user string) {
	said := answerTo("exchange", r)
	if user != "" {
		said.Result = map[string]any{"mailbox": user}
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeJSON(w, http.StatusOK, said)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = owaPage.Execute(w, said)
}

var owaPage = template.Must(template.New("owa").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Outlook</title></head>
<body><h1>Inbox</h1><p>3 unread messages.</p>
<h2>Header fields that reached the backend</h2>
<dl>{{range $name, $value := .Received}}<dt>{{$name}}</dt><dd>{{$value}}</dd>
{{end}}</dl></body></html>
`))

// number reads a query parameter between 0 and most; absent or senseless, it is
// fallback.
func number(r *http.Request, name string, fallback, most int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 0 {
		return fallback
	}
	return min(n, most)
}

// pause waits, and reports whether the client is still there.
func pause(r *http.Request, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
