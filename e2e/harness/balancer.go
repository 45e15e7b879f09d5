// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Balancer forwards the connections to its address to one server, which can
// be exchanged: what clients address stays the same.
type Balancer struct {
	Address string

	mu   sync.Mutex
	to   *Server
	open map[net.Conn]bool
	done bool
}

// NewBalancer starts one on loopback that ends with the test.
func NewBalancer(t testing.TB, to *Server) *Balancer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Balancer{Address: listener.Addr().String(), to: to, open: make(map[net.Conn]bool)}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { b.forward(connection) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		b.mu.Lock()
		b.done = true
		b.mu.Unlock()
		b.Use(nil)
		group.Wait()
	})
	return b
}

// Use exchanges the server. Connections to the one before are closed.
func (b *Balancer) Use(to *Server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to = to
	for connection := range b.open {
		_ = connection.Close()
	}
	clear(b.open)
}

func (b *Balancer) forward(connection net.Conn) {
	defer connection.Close()
	b.mu.Lock()
	to := b.to
	b.mu.Unlock()
	if to == nil {
		return
	}
	onward, err := net.Dial("tcp", to.Address)
	if err != nil {
		return
	}
	defer onward.Close()
	b.mu.Lock()
	stale := b.done || b.to != to
	if !stale {
		b.open[connection], b.open[onward] = true, true
	}
	b.mu.Unlock()
	if stale {
		return
	}
	var group sync.WaitGroup
	for _, way := range [][2]net.Conn{{connection, onward}, {onward, connection}} {
		group.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // either end may have closed it
			_, _ = connection.Close(), onward.Close()
		})
	}
	group.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, connection)
	delete(b.open, onward)
}
