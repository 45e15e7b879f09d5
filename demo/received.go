// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"net/http"
	"strings"
)

// answer is what a backend says about a request that reached it.
type answer struct {
	Backend string `json:"backend"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	// Received are the header fields that reached the backend; see received.
	Received map[string]string `json:"received"`
	// Bytes and SHA256 are of the request's body, or of the file it is about.
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Stored says whether an upload can be downloaded again.
	Stored bool `json:"stored,omitempty"`
	// Result is what the endpoint itself has to say.
	Result any `json:"result,omitempty"`
}

func answerTo(backend string, r *http.Request) answer {
	return answer{Backend: backend, Method: r.Method, Path: r.URL.EscapedPath(), Received: received(r.Header)}
}

// received shows the header fields of a request by name, several values joined.
// Of credentials it shows no more than that they are there: of those that begin
// with an authentication scheme the scheme, of the others the size.
func received(header http.Header) map[string]string {
	shown := make(map[string]string, len(header))
	for name, values := range header {
		switch name {
		case "Authorization", "Proxy-Authorization":
			schemes := make([]string, len(values))
			for i, value := range values {
				if scheme, _, ok := strings.Cut(value, " "); ok {
					schemes[i] = scheme
				} else {
					schemes[i] = "(no scheme)"
				}
			}
			shown[name] = strings.Join(schemes, ", ")
		case "Dpop", "Cookie", "Secure-Session-Response", "Client-Cert",
			"X-Ms-Refreshtokencredential", "X-Ms-Devicecredential":
			sizes := make([]string, len(values))
			for i, value := range values {
				sizes[i] = fmt.Sprintf("(%d bytes)", len(value))
			}
			shown[name] = strings.Join(sizes, ", ")
		default:
			shown[name] = strings.Join(values, ", ")
		}
	}
	return shown
}
