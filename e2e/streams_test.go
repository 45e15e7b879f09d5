// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455, section 4.2.2
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// bound is an outgoing request as alice's device makes it, for tests that
// stream a body in or out.
func bound(t *testing.T, server *harness.Server, method, path string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, method, harness.Origin+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = server.World.Bound(method, path, server.Nonce(t)).Header
	return request
}

// TestResponsesStreamPieceByPiece is a long poll in fast motion: the backend
// sends a piece only after the client has received the one before.
func TestResponsesStreamPieceByPiece(t *testing.T) {
	for _, protocol := range harness.Protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			const pieces = 1800 // one a second for half an hour
			world := harness.NewWorld(t)
			received := make(chan struct{})
			world.Backend.Handle("/stream", func(w http.ResponseWriter, r *http.Request) {
				for i := range pieces {
					_, _ = fmt.Fprintf(w, "piece %d\n", i)
					w.(http.Flusher).Flush()
					select {
					case <-received:
					case <-r.Context().Done():
						return
					}
				}
			})
			server := world.Start(t, harness.Options{})
			response, err := server.Client(protocol).Do(bound(t, server, "GET", "/stream", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			lines := bufio.NewScanner(response.Body)
			for i := range pieces {
				if !lines.Scan() || lines.Text() != fmt.Sprintf("piece %d", i) {
					t.Fatalf("status %d, piece %d is %q: %v", response.StatusCode, i, lines.Text(), lines.Err())
				}
				received <- struct{}{}
			}
			if lines.Scan() {
				t.Errorf("more than was sent: %q", lines.Text())
			}
		})
	}
}

// TestUploadsTakeConstantMemory sends 1 GiB through the proxy.
func TestUploadsTakeConstantMemory(t *testing.T) {
	const size, growth = 1 << 30, 64 << 10 // KiB
	world := harness.NewWorld(t)
	world.Backend.Handle("/upload", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, err)
	})
	server := world.Start(t, harness.Options{})
	small, err := server.Client(harness.HTTP1).Do(bound(t, server, "PUT", "/upload", io.LimitReader(zeros{}, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	_ = small.Body.Close()
	before := peak(t, server)
	response, err := server.Client(harness.HTTP1).Do(bound(t, server, "PUT", "/upload", io.LimitReader(zeros{}, size)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if want := fmt.Sprint(int64(size), nil); err != nil || response.StatusCode != 200 || string(answer) != want {
		t.Fatalf("status %d: the backend says %s, want %s (%v)", response.StatusCode, answer, want, err)
	}
	after := peak(t, server)
	t.Logf("peak memory %d KiB before, %d KiB after", before, after)
	if after-before > growth {
		t.Errorf("peak memory grew from %d to %d KiB", before, after)
	}
}

// zeros is an endless stream.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

var vmHWM = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the largest resident set of the server so far, in KiB (proc(5)).
func peak(t *testing.T, server *harness.Server) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.PID()))
	if err != nil {
		t.Fatal(err)
	}
	found := vmHWM.FindSubmatch(status)
	if found == nil {
		t.Fatal("no VmHWM in /proc/PID/status")
	}
	size, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// TestWebSocketsWorkOnceAllowed: a bound handshake opens a connection that
// carries bytes both ways, over and over.
func TestWebSocketsWorkOnceAllowed(t *testing.T) {
	world := harness.NewWorld(t)
	world.Backend.Handle("/ws", echo)
	server := world.Start(t, harness.Options{})
	connection := server.Dial(t)
	defer connection.Close()
	const key = "dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455, section 1.3
	fields := append(credentials(t, server, "GET", "/ws"), "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+key)
	if _, err := io.WriteString(connection, wire(harness.NewID(), "GET /ws HTTP/1.1", fields...)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("status %d, Sec-WebSocket-Accept %q", response.StatusCode, response.Header.Get("Sec-WebSocket-Accept"))
	}
	for i := range 200 {
		sent := fmt.Sprintf("frame %d\n", i)
		if _, err := io.WriteString(connection, sent); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.ReadString('\n'); err != nil || got != sent {
			t.Fatalf("frame %d came back as %q: %v", i, got, err)
		}
	}
	// Caddy itself races when it is stopped while an upgraded connection is open.
	_ = connection.Close()
	harness.Eventually(t, "the end of the upgraded connection", func() bool { return goroutinesOf(t, server, "handleUpgradeResponse") == 0 })
}

// echo accepts a WebSocket and sends back what it gets.
func echo(w http.ResponseWriter, r *http.Request) {
	connection, buffer, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	_, _ = fmt.Fprintf(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(accept[:]))
	_, _ = io.Copy(connection, buffer)
}
