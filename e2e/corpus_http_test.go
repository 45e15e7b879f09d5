// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// httpCases are the ones about HTTP itself: what a client writes on the wire,
// and what reaches the backend. Identity headers are in identityCases.
var httpCases = map[string]play{
	"HTTP-001": unproven("/owa"),
	"HTTP-002": unproven("/%256fwa/x"),
	"HTTP-003": unproven(`/owa\x`),
	"HTTP-004": unproven("/owa%5cx"),
	"HTTP-006": unproven("/owa;a=b/x"),
	"HTTP-007": unproven("/public/..;/owa/x"),
	"HTTP-009": unproven("/owa%20/x"),
	"HTTP-010": unproven("/owa%00/x"),
	"HTTP-012": unproven("/owa::$DATA/x"),
	"HTTP-015": unproven("/owa#x"),
	"HTTP-018": unproven("/x/../owa/x", "/public/../owa/x", "/public/%2e%2e/owa/x"),
	"HTTP-019": unproven("/x/..%2fowa/x", "/public/..%2fowa/x"),
	"HTTP-021": unproven("/%6fwa/x"),
	"HTTP-022": unproven("/OWA/x"),
	"HTTP-042": {reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		return one(s.post("Content-Length: 5", "Transfer-Encoding: chunked", "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: mail.example\r\n\r\n"))
	}, must: []func(*stage, harness.Response){framedOnce}},
	"HTTP-043": {send: func(s *stage) []harness.Response {
		return []harness.Response{
			s.post("Content-Length: 4", "Content-Length: 5", "abcde"),
			s.post(append(credentials(s, s.server, "POST", path), "Content-Length: 4", "Content-Length: 5", "abcde")...),
		}
	}},
	"HTTP-044": {reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		var responses []harness.Response
		for _, field := range []string{
			"Content-Length: +4", "Content-Length: 4, 4", "Content-Length: ", "Content-Length: 0x4", "Content-Length: -1",
			"Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		} {
			responses = append(responses, s.post(field, "abcd"))
		}
		return responses
	}, must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
		if len(response.Arrivals()) > 1 {
			s.Errorf("%d requests at the backend", len(response.Arrivals()))
		}
	}}},
	"HTTP-048": upgrading("Upgrade: websocket", "Connection: Upgrade"),
	"HTTP-049": {
		reason: "credential_missing", code: 1002,
		send: upgrading("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA").send,
		must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
			id := harness.NewID()
			passed := s.passes(s.server.Raw(s, id, wire(id, "GET "+path+" HTTP/1.1", append(credentials(s, s.server, "GET", path),
				"Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")...)))
			for _, name := range []string{"Upgrade", "Http2-Settings"} {
				if got := passed.Arrivals()[0].Header.Values(name); len(got) > 0 {
					s.Errorf("the backend saw %s: %q", name, got)
				}
			}
		}},
	},
	"HTTP-050": upgrading("Upgrade: foo", "Connection: Upgrade", "", "Connection: Upgrade", "", "Upgrade: websocket"),
	"HTTP-054": {send: func(s *stage) []harness.Response {
		id := harness.NewID()
		response := s.server.Raw(s, id, "CONNECT mail.example:443 HTTP/1.1\r\nHost: mail.example\r\n"+harness.IDHeader+": "+id+"\r\n\r\n")
		response.CorrelationID = "" // no sign-in: the contract gives it no code
		return one(response)
	}, must: []func(*stage, harness.Response){untouched}},
	"HTTP-057": {reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		return one(s.server.Do(s, harness.HTTP2, harness.Request{Method: "OPTIONS", Path: path, Header: http.Header{
			"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"},
		}}))
	}, must: []func(*stage, harness.Response){untouched}},
	"HTTP-058": {reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		return []harness.Response{
			s.get(http.Header{"X-Padding": {strings.Repeat("a", 16_500)}}),
			s.get(http.Header{"X-Padding": {strings.Repeat("a", 25_000)}}),
		}
	}},
	"HTTP-061": {unit: "e2e TestRapidResetsLeaveOthersAlone"},
	"HTTP-063": {send: func(s *stage) []harness.Response {
		request := s.Bound("GET", path, s.server.Nonce(s))
		request.Header.Set("Early-Data", "1")
		return one(s.server.Do(s, harness.HTTP1, request))
	}, must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
		if got := response.Arrivals()[0].Header.Values("Early-Data"); len(got) > 0 {
			s.Errorf("the backend saw Early-Data: %q", got)
		}
	}}},
	"HTTP-064": {reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		return []harness.Response{
			s.get(http.Header{"Accept": {"text/html,application/xhtml+xml;q=0.9"}, "Origin": {"https://app.example"}}),
			s.get(http.Header{"Origin": {"https://app.example"}}),
		}
	}, must: []func(*stage, harness.Response){notStored, offersDPoP}},
	"HTTP-066": {reason: "credential_foreign, credential_foreign, credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		return []harness.Response{
			s.get(http.Header{"Authorization": {"NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbEdAAAADw=="}}),
			s.get(http.Header{"Authorization": {"Negotiate YIIC"}}),
			s.get(nil),
		}
	}, must: []func(*stage, harness.Response){func(s *stage, response harness.Response) {
		for _, challenge := range response.Challenges {
			if scheme := strings.ToLower(challenge.Scheme); scheme == "ntlm" || scheme == "negotiate" || scheme == "basic" {
				s.Errorf("offers %s, which authenticates the connection and not the request", challenge.Scheme)
			}
		}
	}}},
}

// unproven requests targets as they are written, without any credential.
func unproven(targets ...string) play {
	return play{reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		var responses []harness.Response
		for _, target := range targets {
			id := harness.NewID()
			responses = append(responses, s.server.Raw(s, id, wire(id, "GET "+target+" HTTP/1.1")))
		}
		return responses
	}, must: []func(*stage, harness.Response){untouched}}
}

func untouched(s *stage, response harness.Response) {
	if len(response.Arrivals()) > 0 {
		s.Errorf("the backend was reached")
	}
}

// upgrading sends, without any credential, a request for each group of fields;
// an empty field ends a group.
func upgrading(fields ...string) play {
	return play{reason: "credential_missing", code: 1002, send: func(s *stage) []harness.Response {
		var responses []harness.Response
		for group := fields; len(group) > 0; {
			end := slices.Index(group, "")
			if end < 0 {
				end = len(group)
			}
			id := harness.NewID()
			responses = append(responses, s.server.Raw(s, id, wire(id, "GET /owa/ws HTTP/1.1", group[:end]...)))
			group = group[min(end+1, len(group)):]
		}
		return responses
	}}
}

// post sends a request whose last element is its body.
func (s *stage) post(fieldsAndBody ...string) harness.Response {
	s.Helper()
	last := len(fieldsAndBody) - 1
	id := harness.NewID()
	return s.server.Raw(s, id, wire(id, "POST "+path+" HTTP/1.1", fieldsAndBody[:last]...)+fieldsAndBody[last])
}

// framedOnce repeats the case with credentials: the backend gets one request,
// framed anew. net/http goes by the chunks and keeps the connection, so that
// the bytes behind them are a request of its own, which is judged by itself.
func framedOnce(s *stage, _ harness.Response) {
	response := s.post(append(credentials(s, s.server, "POST", path), "Content-Length: 5", "Transfer-Encoding: chunked",
		"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: mail.example\r\n\r\n")...)
	arrivals := response.Arrivals()
	if response.Status == http.StatusBadRequest && len(arrivals) == 0 {
		return
	}
	if len(arrivals) != 1 || arrivals[0].Body != "" || len(arrivals[0].Header["Content-Length"]) > 0 && arrivals[0].Header.Get("Content-Length") != "0" {
		s.Errorf("status %d, arrivals %d, first %+v", response.Status, len(arrivals), arrivals)
	}
}
