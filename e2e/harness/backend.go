// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// IDHeader marks a request, so that the backend can tell whether it arrived.
const IDHeader = "X-E2e-Id"

// Arrival is a request as the backend saw it.
type Arrival struct {
	Method, URI, Host string
	Header            http.Header
	Body              string
}

// Backend answers 200 and records what reached it. A request for a path
// ending in /broken gets no answer, which makes the proxy say 502, and one
// for a WebSocket gets 101 and a closed connection.
type Backend struct {
	Address string // host:port

	mu       sync.Mutex
	arrivals map[string][]Arrival // by IDHeader
	routes   http.ServeMux
}

// NewBackend starts a backend that ends with the test.
func NewBackend(t testing.TB) *Backend {
	b := &Backend{arrivals: make(map[string][]Arrival)}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.Address = server.Listener.Addr().String()
	return b
}

// Handle answers the requests for a pattern of [http.ServeMux] in another way.
// They are recorded without their body, which is the handler's.
func (b *Backend) Handle(pattern string, handler http.HandlerFunc) {
	b.routes.HandleFunc(pattern, handler)
}

// Arrivals returns what arrived of the request with the id.
func (b *Backend) Arrivals(id string) []Arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.arrivals[id]
}

// ServeHTTP records and answers.
func (b *Backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrival := Arrival{Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header.Clone()}
	route, pattern := b.routes.Handler(r)
	if pattern == "" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		arrival.Body = string(body)
	}
	b.mu.Lock()
	b.arrivals[r.Header.Get(IDHeader)] = append(b.arrivals[r.Header.Get(IDHeader)], arrival)
	b.mu.Unlock()
	switch {
	case pattern != "":
		route.ServeHTTP(w, r)
	case strings.HasSuffix(r.URL.Path, "/broken"):
		hangUp(w, "")
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		hangUp(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	default:
		_, _ = io.WriteString(w, "from the backend\n")
	}
}

func hangUp(w http.ResponseWriter, last string) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(connection, last)
	_ = connection.Close()
}

// Forget lets go of what has arrived, so that long runs do not fill memory.
func (b *Backend) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.arrivals)
}
