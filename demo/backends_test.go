// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask sends a request to a handler and returns the recorded response.
func ask(handler http.Handler, method, target string, body io.Reader, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, target, body)
	for name, values := range header {
		request.Header[name] = values
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func parseAnswer(t testing.TB, document []byte) answer {
	t.Helper()
	var said answer
	if err := json.Unmarshal(document, &said); err != nil {
		t.Fatalf("%q: %v", document, err)
	}
	return said
}

func TestBackendsShowWhatReachedThemWithoutSecrets(t *testing.T) {
	header := http.Header{
		"Authorization": {"DPoP secret"}, "Dpop": {"secret"}, "Cookie": {"session=secret"},
		"X-Device": {"d1", "d2"}, "X-Ms-Refreshtokencredential": {"secret"}, "Proxy-Authorization": {"secret"},
	}
	for target, handler := range map[string]http.Handler{
		"/EWS/Exchange.asmx": Exchange(), "/owa/": Exchange(), "/Microsoft-Server-ActiveSync": Exchange(),
		"/mapi/emsmdb?chunks=0": Exchange(), "/_api/web/lists": SharePoint(), "/_api/files/none": SharePoint(),
	} {
		body := ask(handler, http.MethodGet, target, nil, header).Body.Bytes()
		if bytes.Contains(body, []byte("secret")) {
			t.Errorf("%s shows a secret: %s", target, body)
		}
		said := parseAnswer(t, body[bytes.IndexByte(body, '{'):])
		for name, want := range map[string]string{
			"Authorization": "DPoP", "Dpop": "(6 bytes)", "Cookie": "(14 bytes)", "X-Device": "d1, d2", "Proxy-Authorization": "(no scheme)",
		} {
			if said.Received[name] != want {
				t.Errorf("%s: received %s %q, want %q", target, name, said.Received[name], want)
			}
		}
	}
}

func TestOWAPageIsForBrowsersAndEscapesWhatItShows(t *testing.T) {
	page := ask(Exchange(), http.MethodGet, "/owa/mail", nil, http.Header{"Accept": {"text/html"}, "X-Own": {"<script>"}})
	if kind := page.Header().Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Errorf("content type %s", kind)
	}
	if body := page.Body.String(); strings.Contains(body, "<script>") || !strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("page does not escape: %s", body)
	}
}

func TestHealthcheckPageIsThere(t *testing.T) {
	if got := ask(Exchange(), http.MethodGet, "/owa/healthcheck.htm", nil, nil); got.Code != 200 || got.Body.String() != "200 OK\n" {
		t.Errorf("%d %q", got.Code, got.Body)
	}
}

func TestPingHoldsTheRequestForTheSecondsAskedFor(t *testing.T) {
	for _, test := range []struct {
		query string
		want  time.Duration
	}{
		{"?Cmd=Ping&heartbeat=600", 600 * time.Second},
		{"?Cmd=Ping", time.Second},
		{"?Cmd=Ping&heartbeat=-1", time.Second},
		{"?Cmd=Ping&heartbeat=99999999", maxHold},
		{"?Cmd=Sync", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			got := ask(Exchange(), http.MethodPost, "/Microsoft-Server-ActiveSync"+test.query, strings.NewReader("wbxml"), nil)
			if held := time.Since(start); held != test.want {
				t.Errorf("%s: held %s, want %s", test.query, held, test.want)
			}
			if said := parseAnswer(t, got.Body.Bytes()); said.Bytes != 5 {
				t.Errorf("%s: %d bytes of body arrived, want 5", test.query, said.Bytes)
			}
		})
	}
}

func TestPingEndsWhenTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/Microsoft-Server-ActiveSync?Cmd=Ping&heartbeat=600", nil)
		Exchange().ServeHTTP(httptest.NewRecorder(), request)
		if held := time.Since(start); held != 3*time.Second {
			t.Errorf("held %s, want 3s", held)
		}
	})
}

// flushes records how much had been written at each flush.
type flushes struct {
	*httptest.ResponseRecorder
	at []string
}

func (f *flushes) Flush() { f.at = append(f.at, f.Body.String()) }

func TestLongPollFlushesEachChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder, start := &flushes{ResponseRecorder: httptest.NewRecorder()}, time.Now()
		Exchange().ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/mapi/emsmdb?chunks=3&interval=60000", nil))
		if took := time.Since(start); took != 3*time.Minute {
			t.Errorf("took %s, want 3m", took)
		}
		want := []string{"PROCESSING\r\n", "PROCESSING\r\nPENDING\r\n", "PROCESSING\r\nPENDING\r\nPENDING\r\n"}
		if fmt.Sprint(recorder.at) != fmt.Sprint(want) {
			t.Errorf("flushed %q, want %q", recorder.at, want)
		}
		_, document, done := strings.Cut(recorder.Body.String(), "DONE\r\n\r\n")
		if said := parseAnswer(t, []byte(document)); !done || said.Path != "/mapi/emsmdb" {
			t.Errorf("ends with %q", document)
		}
	})
}

func TestUploadsCanBeDownloadedAgain(t *testing.T) {
	backend, content := SharePoint(), strings.Repeat("x", maxFile)
	put := ask(backend, http.MethodPut, "/_api/files/a.txt", strings.NewReader(content), nil)
	said := parseAnswer(t, put.Body.Bytes())
	if put.Code != http.StatusCreated || said.Bytes != maxFile || !said.Stored {
		t.Errorf("%d, %d bytes, stored: %v", put.Code, said.Bytes, said.Stored)
	}
	get := ask(backend, http.MethodGet, "/_api/files/a.txt", nil, http.Header{"Authorization": {"Bearer secret"}})
	if get.Body.String() != content || get.Header().Get("X-Received-Authorization") != "Bearer" {
		t.Errorf("downloaded %d bytes, authorization shown as %q", get.Body.Len(), get.Header().Get("X-Received-Authorization"))
	}
}

func TestLargeUploadsAreHashedAndNotKept(t *testing.T) {
	backend := SharePoint()
	put := ask(backend, http.MethodPut, "/_api/files/a.txt", strings.NewReader(strings.Repeat("x", maxFile+1)), nil)
	if said := parseAnswer(t, put.Body.Bytes()); said.Bytes != maxFile+1 || len(said.SHA256) != 64 || said.Stored {
		t.Errorf("%d bytes, hash %q, stored: %v", said.Bytes, said.SHA256, said.Stored)
	}
	if get := ask(backend, http.MethodGet, "/_api/files/a.txt", nil, nil); get.Code != http.StatusNotFound {
		t.Errorf("download answered %d, want 404", get.Code)
	}
}

func TestOldestUploadsGoFirst(t *testing.T) {
	backend := SharePoint()
	for i := range maxFiles + 1 {
		ask(backend, http.MethodPut, fmt.Sprintf("/_api/files/%d", i), strings.NewReader("x"), nil)
		ask(backend, http.MethodPut, fmt.Sprintf("/_api/files/%d", i), strings.NewReader("y"), nil)
	}
	for name, want := range map[string]int{"0": 404, "1": 200, fmt.Sprint(maxFiles): 200} {
		if got := ask(backend, http.MethodGet, "/_api/files/"+name, nil, nil); got.Code != want {
			t.Errorf("file %s: %d, want %d", name, got.Code, want)
		}
	}
}
