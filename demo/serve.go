// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package demo shows token protection at work: an authorization server that
// binds tokens to device keys, backends that look like Exchange and SharePoint
// and show which headers reached them, and a scenario of devices and thieves who
// try to get at the backends through the proxy.
//
// The parts are plain [http.Handler]s and functions. `caddy token-protection demo`
// runs them in one process with the proxy; docker-compose.yml runs each in a
// container of its own. Nothing here is meant for production: the authorization
// server gives a token to whoever asks for one.
package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

const (
	// maxHeaderBytes bounds the header of a request to any of the demo's servers.
	maxHeaderBytes = 64 << 10
	// shutdownGrace is how long requests may take to end once a server is to stop.
	shutdownGrace = 2 * time.Second
)

// Serve answers requests from listener with handler until ctx is done, then
// closes it and returns nil. It returns the error that ended it otherwise.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close() // long polls do not end by themselves
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// IssuerConfig says where the authorization server of a container is reached.
type IssuerConfig struct {
	// Address is the host and port to listen on.
	Address string
	// URL is the issuer identifier: the base URL under which clients and the proxy
	// reach the server.
	URL string
	// Certificates, if not empty, is a directory for the demo's certificates. The
	// server then speaks TLS: it makes them with [WriteCertificates] for Hosts.
	Certificates string
	// Hosts are the names of the demo's TLS servers, the issuer's own among them.
	Hosts []string
}

// ServeIssuer runs the authorization server until ctx is done.
func ServeIssuer(ctx context.Context, config IssuerConfig) error {
	issuer, err := NewIssuer(config.URL)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", config.Address)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if config.Certificates != "" {
		certificate, err := certificateFor(config.Certificates, config.Hosts)
		if err != nil {
			_ = listener.Close()
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS12,
		})
	}
	return Serve(ctx, listener, issuer)
}

// certificateFor makes the demo's certificates and loads the one of its servers.
func certificateFor(directory string, hosts []string) (tls.Certificate, error) {
	if err := WriteCertificates(directory, hosts...); err != nil {
		return tls.Certificate{}, err
	}
	certificate, err := tls.LoadX509KeyPair(
		filepath.Join(directory, CertificateFile), filepath.Join(directory, PrivateKeyFile))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("demo certificates: %w", err)
	}
	return certificate, nil
}

// ServeExchange runs the Exchange-like backend on address until ctx is done.
func ServeExchange(ctx context.Context, address string) error {
	return listenAndServe(ctx, address, Exchange())
}

// ServeSharePoint runs the SharePoint-like backend on address until ctx is done.
func ServeSharePoint(ctx context.Context, address string) error {
	return listenAndServe(ctx, address, SharePoint())
}

func listenAndServe(ctx context.Context, address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	return Serve(ctx, listener, handler)
}
