// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between the nodes and Redis, and is as bad as it is told to.
// Its address stays the same while what is behind it changes.
type proxy struct {
	address  string
	listener net.Listener

	mu          sync.Mutex
	target      string
	fault       fault
	connections map[net.Conn]bool
}

// fault is what the network does.
type fault int

const (
	healthy  fault = iota
	slow           // a second of delay each way
	silent         // connections are taken and nothing comes back
	refusing       // every connection is reset
)

func newProxy(t testing.TB, target string) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: listener.Addr().String(), listener: listener, target: target, connections: make(map[net.Conn]bool)}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { p.serve(connection) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.become(refusing)
		group.Wait()
	})
	return p
}

// become changes the network for all connections. Resets end those there are.
func (p *proxy) become(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	if f == refusing {
		for connection := range p.connections {
			reset(connection)
		}
	}
}

// lead leads new connections to another server, and ends those there are.
func (p *proxy) lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for connection := range p.connections {
		reset(connection)
	}
}

func reset(connection net.Conn) {
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

func (p *proxy) state() (fault, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault, p.target
}

func (p *proxy) keep(connection net.Conn, kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kept {
		p.connections[connection] = true
	} else {
		delete(p.connections, connection)
	}
}

func (p *proxy) serve(client net.Conn) {
	f, target := p.state()
	if f == refusing {
		reset(client)
		return
	}
	server, err := net.DialTimeout("tcp", target, time.Second)
	if err != nil {
		reset(client)
		return
	}
	for _, connection := range []net.Conn{client, server} {
		p.keep(connection, true)
		defer p.keep(connection, false)
		defer connection.Close()
	}
	var group sync.WaitGroup
	group.Go(func() { p.copy(server, client); _ = server.Close() })
	p.copy(client, server)
	_ = client.Close()
	group.Wait()
}

// copy passes on what comes, as the network allows at that moment.
func (p *proxy) copy(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		switch f, _ := p.state(); f {
		case slow:
			time.Sleep(time.Second)
		case silent: // as if the other side had vanished: nobody is told
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
