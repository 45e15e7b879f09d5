// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestNothingHidesBehindAnAdmittedRequest: whatever a bound request's framing
// looks like, a second request in its bytes is either none, or is judged by
// itself.
func TestNothingHidesBehindAnAdmittedRequest(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	for name, framing := range map[string]string{
		"Content-Length and chunked":         "Content-Length: 4\r\nTransfer-Encoding: chunked",
		"chunked and Content-Length":         "Transfer-Encoding: chunked\r\nContent-Length: 4",
		"Content-Length twice, equal":        "Content-Length: 0\r\nContent-Length: 0",
		"Content-Length twice, different":    "Content-Length: 0\r\nContent-Length: 60",
		"Content-Length list":                "Content-Length: 0, 0",
		"Content-Length plus":                "Content-Length: +0",
		"Content-Length minus":               "Content-Length: -0",
		"Content-Length hex":                 "Content-Length: 0x0",
		"Content-Length empty":               "Content-Length:",
		"Content-Length underscore":          "Content_Length: 60",
		"Content-Length space before colon":  "Content-Length : 60",
		"Content-Length folded":              "Content-Length:\r\n 0",
		"Transfer-Encoding xchunked":         "Transfer-Encoding: xchunked",
		"Transfer-Encoding identity":         "Transfer-Encoding: identity",
		"Transfer-Encoding chunked identity": "Transfer-Encoding: chunked, identity",
		"Transfer-Encoding twice":            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding vertical tab":     "Transfer-Encoding: \x0bchunked",
		"Transfer-Encoding bare CR":          "X: y\rTransfer-Encoding: chunked",
		"Transfer-Encoding in other case":    "transfer-encoding: CHUNKED",
	} {
		t.Run(name, func(t *testing.T) {
			outer, inner := harness.NewID(), harness.NewID()
			text := wire(outer, "POST /outer HTTP/1.1", append(credentials(t, server, "POST", "/outer"), strings.Split(framing, "\r\n")...)...)
			text += "0\r\n\r\n" + wire(inner, "GET /inner HTTP/1.1") + wire("", "GET /healthz HTTP/1.1", "Connection: close") // 0: the last chunk, or the start of a broken request
			statuses := pipeline(t, server, text)
			if len(statuses) == 0 || statuses[0] != 200 && statuses[0] != 400 && statuses[0] != 501 {
				t.Errorf("answers %v", statuses)
			}
			if got := len(world.Backend.Arrivals(outer)); got > 1 {
				t.Errorf("the outer request arrived %d times", got)
			}
			if got := len(world.Backend.Arrivals(inner)); got > 0 {
				t.Errorf("the inner request, which has no token, reached the backend")
			}
			for _, arrival := range world.Backend.Arrivals(outer) {
				if te := arrival.Header["Transfer-Encoding"]; len(te) > 0 || strings.Contains(arrival.Body, "/inner") {
					t.Errorf("the backend saw transfer encodings %q and the body %q", te, arrival.Body)
				}
			}
		})
	}
}

// TestPipelinedRequestsAreJudgedOneByOne: credentials hold for one request,
// not for the connection.
func TestPipelinedRequestsAreJudgedOneByOne(t *testing.T) {
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{})
	var text string
	ids := make([]string, 4)
	for i, fields := range [][]string{credentials(t, server, "GET", "/p"), nil, credentials(t, server, "GET", "/p"), {"Connection: close"}} {
		ids[i] = harness.NewID()
		text += wire(ids[i], "GET /p HTTP/1.1", fields...)
	}
	statuses := pipeline(t, server, text)
	if len(statuses) != 4 || statuses[0] != 200 || statuses[1] != 401 || statuses[2] != 200 || statuses[3] != 401 {
		t.Errorf("answers %v", statuses)
	}
	for i, want := range []int{1, 0, 1, 0} {
		if got := len(world.Backend.Arrivals(ids[i])); got != want {
			t.Errorf("request %d arrived %d times, want %d", i, got, want)
		}
	}
}

// pipeline writes all bytes at once to one connection and returns the statuses
// of all answers. The last request asks for the connection to be closed.
func pipeline(t *testing.T, server *harness.Server, text string) []int {
	t.Helper()
	connection := server.Dial(t)
	defer connection.Close()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	var statuses []int
	for reader := bufio.NewReader(connection); ; {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return statuses // the connection ends with the last answer
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, response.StatusCode)
	}
}
