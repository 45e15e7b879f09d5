// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// protocol is how the generator speaks to a server.
type protocol string

const (
	plain protocol = "HTTP/1.1"
	tls11 protocol = "HTTP/1.1 over TLS"
	http2 protocol = "HTTP/2 over TLS"
	// mutual comes with a client certificate.
	mutual protocol = "HTTP/1.1 over mutual TLS"
)

// generator sends requests to one server, over connections that stay open.
type generator struct {
	exchanges []exchange
	close     func()
}

// exchange sends one prepared request and returns the status of the answer and
// the length of its body.
type exchange func(wire []byte, r request) (status, length int, err error)

// newGenerator opens the connections. Under HTTP/2 they are streams of one
// connection, as a browser's would be.
func newGenerator(address string, p protocol, connections int, config *tls.Config) (*generator, error) {
	if p == http2 {
		return newHTTP2(address, connections, config), nil
	}
	var opened []net.Conn
	g := &generator{close: func() {
		for _, connection := range opened {
			_ = connection.Close()
		}
	}}
	for range connections {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			g.close()
			return nil, err
		}
		if p != plain {
			connection = tls.Client(connection, config)
		}
		opened = append(opened, connection)
		r := bufio.NewReaderSize(connection, 8<<10)
		g.exchanges = append(g.exchanges, func(wire []byte, _ request) (int, int, error) {
			if _, err := connection.Write(wire); err != nil {
				return 0, 0, err
			}
			return readResponse(r)
		})
	}
	return g, nil
}

func newHTTP2(address string, streams int, config *tls.Config) *generator {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	transport := &http.Transport{TLSClientConfig: config, Protocols: &protocols, ForceAttemptHTTP2: true}
	one := func(_ []byte, r request) (int, int, error) {
		sent, err := http.NewRequest(http.MethodGet, "https://"+address+path, nil)
		if err != nil {
			return 0, 0, err
		}
		sent.Host = host
		sent.Header = http.Header{"User-Agent": {agent}, "Accept": {"application/json"}, "Authorization": {r.authorization}, "Dpop": {r.proof}}
		answer, err := transport.RoundTrip(sent)
		if err != nil {
			return 0, 0, err
		}
		defer answer.Body.Close()
		if answer.ProtoMajor != 2 {
			return 0, 0, errors.New("the server does not speak HTTP/2")
		}
		length, err := io.Copy(io.Discard, answer.Body)
		return answer.StatusCode, int(length), err
	}
	return &generator{exchanges: slices.Repeat([]exchange{one}, streams), close: transport.CloseIdleConnections}
}

// run sends all requests, each connection the next one as soon as it has its
// answer, and returns how long the whole took and the latencies in ascending
// order. An answer that is not the expected one is an error.
func (g *generator) run(requests []request) (took time.Duration, latencies []time.Duration, err error) {
	wires := make([][]byte, len(requests))
	for i := range requests {
		wires[i] = requests[i].wire()
	}
	latencies = make([]time.Duration, len(requests))
	failures := make([]error, len(g.exchanges))
	var (
		next  atomic.Int64
		group sync.WaitGroup
	)
	began := time.Now()
	for worker, exchange := range g.exchanges {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(requests)); i = next.Add(1) - 1 {
				sent := time.Now()
				status, length, err := exchange(wires[i], requests[i])
				latencies[i] = time.Since(sent)
				if err == nil {
					err = requests[i].check(status, length)
				}
				if err != nil {
					failures[worker] = fmt.Errorf("request %d of %d: %w", i+1, len(requests), err)
					next.Store(int64(len(requests)))
					return
				}
			}
		})
	}
	group.Wait()
	took = time.Since(began)
	slices.Sort(latencies)
	return took, latencies, errors.Join(failures...)
}
