// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

func TestReadsResponsesOneAfterAnother(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\ncontent-LENGTH: 5 \r\nX: y\r\n\r\nhello" +
		"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"))
	for _, want := range []struct{ status, length int }{{200, 5}, {401, 0}} {
		if status, length, err := readResponse(r); err != nil || status != want.status || length != want.length {
			t.Errorf("got %d with %d bytes, %v; expected %v", status, length, err, want)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after the last response: %v", err)
	}
}

func TestRefusesResponsesItDoesNotKnow(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "",
		"another version":    "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"no status":          "HTTP/1.1 OK, fine\r\nContent-Length: 0\r\n\r\n",
		"chunked":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"length is a word":   "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
		"header without end": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
		"body cut off":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
	} {
		t.Run(name, func(t *testing.T) {
			if status, _, err := readResponse(bufio.NewReader(strings.NewReader(text))); err == nil {
				t.Errorf("got %d; expected an error", status)
			}
		})
	}
}

func TestReadsRequestsUntilTheEnd(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /"))
	for range 2 {
		if err := readRequest(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := readRequest(r); err == nil || err == io.EOF {
		t.Errorf("a request that is cut off: %v", err)
	}
	if err := readRequest(r); err != io.EOF {
		t.Errorf("no request: %v", err)
	}
}
