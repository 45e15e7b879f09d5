// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
)

// bodySize is the length of the backend's answer, in bytes.
const bodySize = 1024

// backend is what all servers forward to: it answers every request with the
// same kilobyte. It runs in the benchmark's own process, whose processor time
// does not count.
type backend struct{ listener net.Listener }

func newBackend() (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &backend{listener}
	go b.serve()
	return b, nil
}

func (b *backend) address() string { return b.listener.Addr().String() }

func (b *backend) close() { _ = b.listener.Close() }

func (b *backend) serve() {
	body := strings.Repeat("x", bodySize)
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		connection, err := b.listener.Accept()
		if err != nil {
			return // closed
		}
		go func() {
			defer connection.Close()
			r := bufio.NewReaderSize(connection, 8<<10)
			for readRequest(r) == nil {
				if _, err := connection.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}
