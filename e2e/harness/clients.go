// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// Protocol is an HTTP version.
type Protocol int

// The versions that the site speaks.
const (
	HTTP1 Protocol = iota
	HTTP2
	HTTP3
)

// Protocols are all of them.
var Protocols = []Protocol{HTTP1, HTTP2, HTTP3}

// alpn is what the client's TLS configuration must name; net/http names the
// others itself.
func (p Protocol) alpn() []string {
	if p == HTTP3 {
		return []string{http3.NextProtoH3}
	}
	return nil
}

func (p Protocol) String() string { return [...]string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}[p] }

// Request is what a client sends. Header names are sent as they are written
// here, as far as the protocol allows.
type Request struct {
	Method string // empty means GET
	Path   string // with the query
	Header http.Header
	Body   string
	// Stream is sent instead of Body, if it is not nil, and its length is not
	// told beforehand.
	Stream io.Reader
}

// Response is what came back.
type Response struct {
	Status int
	Header http.Header
	Body   string
	// Error is the error parameter of the challenges, empty if there is none.
	Error string
	// Challenges are those of all WWW-Authenticate lines.
	Challenges []client.Challenge
	// CorrelationID is that of a problem document.
	CorrelationID string
	// ID names the request at the backend.
	ID string

	backend *Backend
}

// Arrivals are the times that the request reached the backend.
func (r Response) Arrivals() []Arrival { return r.backend.Arrivals(r.ID) }

// NewID returns a value for IDHeader.
func NewID() string { return rand.Text() }

// Do sends one request and reads the answer.
func (s *Server) Do(t testing.TB, protocol Protocol, request Request) Response {
	t.Helper()
	response, err := s.Try(protocol, request)
	if err != nil {
		t.Fatalf("%s %s over %v: %v", request.Method, request.Path, protocol, err)
	}
	return response
}

// Try is Do for other goroutines than the test's.
func (s *Server) Try(protocol Protocol, request Request) (Response, error) {
	return s.through(s.Client(protocol), protocol, request)
}

func (s *Server) through(client *http.Client, protocol Protocol, request Request) (Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var body io.Reader = strings.NewReader(request.Body)
	if request.Stream != nil {
		body = request.Stream
	}
	outgoing, err := http.NewRequestWithContext(ctx, request.Method, Origin+request.Path, body)
	if err != nil {
		return Response{}, err
	}
	for name, values := range request.Header {
		outgoing.Header[name] = values
	}
	id := NewID()
	outgoing.Header.Set(IDHeader, id)
	incoming, err := client.Do(outgoing)
	if err != nil {
		return Response{}, err
	}
	if incoming.Proto != protocol.String() {
		return Response{}, fmt.Errorf("answered over %s", incoming.Proto)
	}
	return s.response(incoming, id)
}

// Raw sends bytes over a fresh TLS connection of HTTP/1.1 and reads one
// answer. The bytes should carry IDHeader with the id.
func (s *Server) Raw(t testing.TB, id, text string) Response {
	t.Helper()
	connection := s.Dial(t)
	defer connection.Close()
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatal(err)
	}
	incoming, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	response, err := s.response(incoming, id)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// Dial opens a TLS connection for HTTP/1.1 that the caller closes.
func (s *Server) Dial(t testing.TB) net.Conn {
	t.Helper()
	config := s.tls("http/1.1")
	connection, err := tls.Dial("tcp", s.Address, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return connection
}

func (s *Server) response(incoming *http.Response, id string) (Response, error) {
	defer incoming.Body.Close()
	response := Response{Status: incoming.StatusCode, Header: incoming.Header, ID: id, backend: s.World.Backend}
	if incoming.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(incoming.Body)
		if err != nil {
			return Response{}, fmt.Errorf("reading the body: %w", err)
		}
		response.Body = string(body)
	}
	response.Challenges = client.Challenges(incoming.Header)
	for _, challenge := range response.Challenges {
		if text := challenge.Parameters["error"]; text != "" {
			response.Error = text
		}
	}
	if nonce := incoming.Header.Get("DPoP-Nonce"); nonce != "" {
		Secret("nonce", nonce)
	}
	var problem struct {
		CorrelationID string `json:"correlation_id"`
	}
	if incoming.Header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal([]byte(response.Body), &problem); err != nil {
			return Response{}, fmt.Errorf("problem document: %w", err)
		}
	}
	response.CorrelationID = problem.CorrelationID
	return response, nil
}

// Client returns the server's client for a protocol. It dials loopback for
// any name, follows no redirect and keeps connections open.
func (s *Server) Client(protocol Protocol) *http.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[protocol] == nil {
		s.clients[protocol] = &http.Client{
			Transport:     s.transport(protocol, new(net.Dialer).DialContext, s.tls(protocol.alpn()...)),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return s.clients[protocol]
}

// dialFunc opens a TCP connection.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (s *Server) transport(protocol Protocol, dial dialFunc, config *tls.Config) http.RoundTripper {
	if protocol == HTTP3 {
		return &http3.Transport{
			TLSClientConfig: config,
			Dial: func(ctx context.Context, _ string, config *tls.Config, quicConfig *quic.Config) (*quic.Conn, error) {
				return quic.DialAddrEarly(ctx, s.Address, config, quicConfig)
			},
		}
	}
	transport := &http.Transport{
		TLSClientConfig: config, Protocols: new(http.Protocols), DisableCompression: true,
		MaxIdleConns: 1000, MaxIdleConnsPerHost: 1000,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, s.Address)
		},
	}
	transport.Protocols.SetHTTP1(protocol == HTTP1)
	transport.Protocols.SetHTTP2(protocol == HTTP2)
	return transport
}

func (s *Server) tls(protocols ...string) *tls.Config {
	certificate, err := siteCertificate()
	if err != nil {
		panic(err) // Start has used it before
	}
	return &tls.Config{RootCAs: certificate.roots, ServerName: Host, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

// Informed sends a request over HTTP/1.1 and returns the headers of the
// informational responses before the answer.
func (s *Server) Informed(t testing.TB, request Request) (headers []http.Header) {
	t.Helper()
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
		headers = append(headers, http.Header(header).Clone())
		return nil
	}})
	outgoing, err := http.NewRequestWithContext(ctx, request.Method, Origin+request.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	outgoing.Header = request.Header
	incoming, err := s.Client(HTTP1).Do(outgoing)
	if err != nil {
		t.Fatal(err)
	}
	_ = incoming.Body.Close()
	return headers
}
