// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	_ "embed" // for the Caddyfile
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"text/template"
)

//go:embed process.caddyfile
var processCaddyfile string

// Process is the demo in one process on loopback: the issuer and the backends
// run here, the proxy wherever its Caddyfile is loaded. The proxy's sites speak
// TLS, as a client certificate can be shown only there.
type Process struct {
	Endpoints
	// Directory holds the proxy's certificates and log files, SignInLog is that of
	// the sign-ins.
	Directory, SignInLog string
	// ExchangeBackend and SharePointBackend are the addresses behind the proxy.
	ExchangeBackend, SharePointBackend string

	stop    context.CancelFunc
	servers sync.WaitGroup
	mu      sync.Mutex
	err     error
}

// StartProcess starts the issuer and the backends on free loopback ports, and
// picks ports for the proxy's sites. Log files go to directory.
func StartProcess(ctx context.Context, directory string) (*Process, error) {
	if err := WriteCertificates(directory); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Process{Directory: directory, SignInLog: filepath.Join(directory, "sign-in.log"), stop: cancel}
	issuerListener, err := loopback()
	if err != nil {
		cancel()
		return nil, err
	}
	p.Authority = filepath.Join(directory, AuthorityFile)
	p.Issuer = "http://" + issuerListener.Addr().String()
	issuer, err := NewIssuer(p.Issuer)
	if err != nil {
		cancel()
		return nil, errors.Join(err, issuerListener.Close())
	}
	p.serve(ctx, issuerListener, issuer)
	for address, handler := range map[*string]http.Handler{&p.ExchangeBackend: Exchange(), &p.SharePointBackend: SharePoint()} {
		listener, err := loopback()
		if err != nil {
			return nil, errors.Join(err, p.Stop())
		}
		*address = listener.Addr().String()
		p.serve(ctx, listener, handler)
	}
	for _, site := range []*string{&p.Exchange, &p.SharePoint} {
		listener, err := loopback()
		if err != nil {
			return nil, errors.Join(err, p.Stop())
		}
		*site = fmt.Sprintf("https://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
		if err := listener.Close(); err != nil { // the proxy takes the port over
			return nil, errors.Join(err, p.Stop())
		}
	}
	return p, nil
}

// Stop ends what runs here and returns the first error that a server ended with.
func (p *Process) Stop() error {
	p.stop()
	p.servers.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Caddyfile is the proxy's configuration with the policy in the given phase.
func (p *Process) Caddyfile(phase Phase) ([]byte, error) {
	parsed, err := template.New("Caddyfile").Parse(processCaddyfile)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	var text bytes.Buffer
	err = parsed.Execute(&text, struct {
		*Process
		Phase Phase
	}{p, phase})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return text.Bytes(), nil
}

func (p *Process) serve(ctx context.Context, listener net.Listener, handler http.Handler) {
	p.servers.Go(func() {
		if err := Serve(ctx, listener, handler); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.err = errors.Join(p.err, err)
		}
	})
}

func loopback() (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return listener, nil
}
