// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// TestRapidResetsLeaveOthersAlone opens and resets streams with good-looking
// proofs as fast as it can (CVE-2023-44487). Others are served meanwhile, and
// the server keeps no goroutine of it.
func TestRapidResetsLeaveOthersAlone(t *testing.T) {
	const streams, connections = 1000, 30
	world := harness.NewWorld(t)
	server := world.Start(t, harness.Options{Site: "log_skip"})
	nonce := server.Nonce(t)
	before := goroutines(t, server)
	header := world.Bound("GET", "/reset", nonce).Header // a good proof that will be good once at most
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range connections {
			reset(t, server, streams, header.Get("Authorization"), header.Get("Dpop"))
		}
	}()
	served := 0
	for finished := false; !finished; served++ {
		if got := server.Do(t, harness.HTTP2, world.Bound("GET", "/x", nonce)); got.Status != 200 {
			t.Errorf("somebody else got %d %q", got.Status, got.Error)
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}
	t.Logf("%d others were served", served)
	settle(t, server, before)
}

// reset sends HEADERS and RST_STREAM for many streams over one connection,
// until the server has enough of it.
func reset(t *testing.T, server *harness.Server, streams int, authorization, proof string) {
	connection, err := tls.Dial("tcp", server.Address, &tls.Config{ //nolint:gosec // the client is the attacker
		ServerName: harness.Host, NextProtos: []string{"h2"}, InsecureSkipVerify: true,
		VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return nil },
	})
	if err != nil {
		t.Error(err)
		return
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	go drain(connection)
	if _, err := io.WriteString(connection, http2.ClientPreface); err != nil {
		t.Error(err)
		return
	}
	framer := http2.NewFramer(connection, nil)
	if err := framer.WriteSettings(); err != nil {
		t.Error(err)
		return
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := range streams {
		block.Reset()
		for _, field := range [][2]string{
			{":method", "GET"}, {":scheme", "https"}, {":authority", harness.Host}, {":path", "/reset"},
			{"authorization", authorization}, {"dpop", proof}, {"x-e2e-id", "reset"},
		} {
			_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}) // to a buffer
		}
		id := uint32(2*i + 1)
		if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}) != nil ||
			framer.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			return // the server has ended the connection
		}
	}
}

func drain(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) }
