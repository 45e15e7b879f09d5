// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Visitor is a client with connections of its own.
type Visitor struct {
	server   *Server
	protocol Protocol
	client   *http.Client
}

// Visitor makes a client, with changes to its TLS configuration.
func (s *Server) Visitor(t testing.TB, protocol Protocol, changes ...func(*tls.Config)) *Visitor {
	return s.visitor(t, protocol, new(net.Dialer).DialContext, changes)
}

// VisitorFrom is Visitor for one that comes from another loopback address
// than the usual 127.0.0.1. Not for HTTP/3.
func (s *Server) VisitorFrom(t testing.TB, address string, protocol Protocol, changes ...func(*tls.Config)) *Visitor {
	from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 0))
	return s.visitor(t, protocol, (&net.Dialer{LocalAddr: from}).DialContext, changes)
}

func (s *Server) visitor(t testing.TB, protocol Protocol, dial dialFunc, changes []func(*tls.Config)) *Visitor {
	t.Helper()
	config := s.tls(protocol.alpn()...)
	for _, change := range changes {
		change(config)
	}
	v := &Visitor{server: s, protocol: protocol, client: &http.Client{Transport: s.transport(protocol, dial, config)}}
	t.Cleanup(v.Leave)
	return v
}

// Fragmenting is a visitor over HTTP/1.1 whose ClientHello comes in records of
// a few octets each (RFC 8446, section 5.1, allows that).
func (s *Server) Fragmenting(t testing.TB, changes ...func(*tls.Config)) *Visitor {
	return s.visitor(t, HTTP1, func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := new(net.Dialer).DialContext(ctx, network, address)
		return &fragmenting{Conn: connection}, err
	}, changes)
}

// fragmenting spreads the first record over many.
type fragmenting struct {
	net.Conn
	begun bool
}

func (f *fragmenting) Write(record []byte) (int, error) {
	const header = 5 // type, version, length
	if f.begun || len(record) < header {
		return f.Conn.Write(record)
	}
	f.begun = true
	for part := range slices.Chunk(record[header:], 50) {
		if _, err := f.Conn.Write(append([]byte{record[0], record[1], record[2], 0, byte(len(part))}, part...)); err != nil {
			return 0, err
		}
	}
	return len(record), nil
}

// As presents a client certificate. It is presented to whoever asks, also
// where the server does not name its issuer.
func As(identity Identity) func(*tls.Config) {
	return func(config *tls.Config) {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &identity.Certificate, nil
		}
	}
}

// Leave closes the connections. Over HTTP/3 the visitor cannot come back.
func (v *Visitor) Leave() {
	if closer, ok := v.client.Transport.(io.Closer); ok && v.protocol == HTTP3 {
		_ = closer.Close() // there may be none
		return
	}
	v.client.CloseIdleConnections()
}

// Do sends one request and reads the answer.
func (v *Visitor) Do(t testing.TB, request Request) Response {
	t.Helper()
	response, err := v.Try(request)
	if err != nil {
		t.Fatalf("%s %s over %v: %v", request.Method, request.Path, v.protocol, err)
	}
	return response
}

// Try is Do for requests that may get no answer, because the handshake fails.
func (v *Visitor) Try(request Request) (Response, error) {
	return v.server.through(v.client, v.protocol, request)
}

// FirstFlight sends a GET over a new HTTP/3 connection as early as it can,
// with a TLS configuration that holds the sessions to resume, and says
// whether the server has taken it as early data. One that the server would
// not have is not sent again; there is no response then.
func (s *Server) FirstFlight(t testing.TB, config *tls.Config, request Request) (response Response, early bool) {
	t.Helper()
	config = config.Clone()
	config.RootCAs, config.ServerName = s.tls().RootCAs, cmp.Or(config.ServerName, Host)
	var connection *quic.Conn
	transport := &http3.Transport{
		TLSClientConfig: config,
		Dial: func(ctx context.Context, _ string, config *tls.Config, quicConfig *quic.Config) (_ *quic.Conn, err error) {
			connection, err = quic.DialAddrEarly(ctx, s.Address, config, quicConfig)
			return connection, err
		},
	}
	t.Cleanup(func() { _ = transport.Close() }) // not at once: a session ticket may come after the answer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	outgoing, err := http.NewRequestWithContext(ctx, http3.MethodGet0RTT, Origin+request.Path, nil) // which does not wait for the handshake
	if err != nil {
		t.Fatal(err)
	}
	id := NewID()
	outgoing.Header = request.Header.Clone()
	outgoing.Header.Set(IDHeader, id)
	incoming, err := transport.RoundTrip(outgoing)
	if errors.Is(err, quic.Err0RTTRejected) {
		return Response{}, false
	}
	if err != nil {
		t.Fatal(err)
	}
	if response, err = s.response(incoming, id); err != nil {
		t.Fatal(err)
	}
	return response, connection.ConnectionState().Used0RTT
}
