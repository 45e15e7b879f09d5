// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestServesUntilTheContextEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Serve(ctx, listener, Exchange()) }()
	response, err := http.Get("http://" + listener.Addr().String() + "/health")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("still listening")
	}
}

func TestServeReturnsTheErrorOfItsListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := Serve(t.Context(), listener, Exchange()); err == nil {
		t.Error("no error")
	}
}

func TestServersSayThatTheyCannotListen(t *testing.T) {
	const nowhere = "256.0.0.1:0"
	for name, err := range map[string]error{
		"exchange":   ServeExchange(t.Context(), nowhere),
		"sharepoint": ServeSharePoint(t.Context(), nowhere),
		"issuer":     ServeIssuer(t.Context(), IssuerConfig{Address: nowhere, URL: issuerURL}),
		"issuer URL": ServeIssuer(t.Context(), IssuerConfig{Address: "127.0.0.1:0", URL: "login"}),
		"directory": ServeIssuer(t.Context(), IssuerConfig{
			Address: "127.0.0.1:0", URL: issuerURL, Certificates: filepath.Join(t.TempDir(), "absent"),
		}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCertificatesServeTheirHosts(t *testing.T) {
	directory := t.TempDir()
	certificate, err := certificateFor(directory, []string{"login.contoso.example", "mail.contoso.example"})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Serve(ctx, tls.NewListener(listener, config), newIssuer(t)) }()
	defer func() { cancel(); <-ended }()

	authority, err := os.ReadFile(filepath.Join(directory, AuthorityFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	for host, trusted := range map[string]bool{"localhost": true, "mail.contoso.example": true, "other.example": false} {
		connection, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12})
		if (err == nil) != trusted {
			t.Errorf("%s: %v, want trusted: %v", host, err, trusted)
		}
		if err == nil {
			connection.Close()
		}
	}
}

func TestCertificatesAreKeptWhileTheyServe(t *testing.T) {
	directory := t.TempDir()
	read := func() []byte {
		document, err := os.ReadFile(filepath.Join(directory, AuthorityFile))
		if err != nil {
			t.Fatal(err)
		}
		return document
	}
	write := func(hosts ...string) {
		if err := WriteCertificates(directory, hosts...); err != nil {
			t.Fatal(err)
		}
	}
	write("a.example")
	first := read()
	if write("a.example"); !bytes.Equal(read(), first) {
		t.Error("made anew though they serve")
	}
	if write("b.example"); bytes.Equal(read(), first) {
		t.Error("kept though they lack a host")
	}
	if certificatesServe(directory, []string{"b.example"}, time.Now().Add(certificateLife-certificateReserve+time.Minute)) {
		t.Error("they serve though they are about to expire")
	}
	info, err := os.Stat(filepath.Join(directory, PrivateKeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the private key %v, %v", info.Mode(), err)
	}
}
