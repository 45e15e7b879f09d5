// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// revoke tells the server's admin API about the key of alice's device.
func revoke(t *testing.T, server *harness.Server, verb string) {
	t.Helper()
	response, err := http.Post(server.AdminURL("/token_protection/"+verb), "application/json", strings.NewReader(`{"thumbprint": "`+server.World.K1.Thumbprint()+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %s, %v", verb, response.StatusCode, answer, err)
	}
}

// TestRevokingAKeyCutsWhatIsOpen: a stolen key must not go on reading
// what it opened before.
func TestRevokingAKeyCutsWhatIsOpen(t *testing.T) {
	for _, protocol := range harness.Protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			world := harness.NewWorld(t)
			world.Backend.Handle("/stream", func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := io.WriteString(w, "piece\n"); err != nil {
						return
					}
					w.(http.Flusher).Flush()
				}
			})
			server := world.Start(t, harness.Options{})
			response, err := server.Client(protocol).Do(bound(t, server, "GET", "/stream", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			lines := bufio.NewScanner(response.Body)
			for range 10 {
				if !lines.Scan() {
					t.Fatalf("status %d: %v", response.StatusCode, lines.Err())
				}
			}
			revoke(t, server, "revoke")
			for lines.Scan() { // until it is cut; the test's own time limit ends it otherwise
			}
			harness.Eventually(t, "the record of the end", func() bool {
				for _, record := range server.Records(t) {
					if strings.HasPrefix(record.Status.AdditionalDetails, "key_revoked") {
						return true
					}
				}
				return false
			})
			if got := server.Do(t, protocol, world.Bound("GET", path, server.Nonce(t))); got.Status != http.StatusUnauthorized {
				t.Errorf("the next request: status %d", got.Status)
			}
			revoke(t, server, "restore")
			if got := server.Do(t, protocol, world.Bound("GET", path, server.Nonce(t))); got.Status != http.StatusOK {
				t.Errorf("restored: status %d", got.Status)
			}
		})
	}
}

// TestRevokingAKeyCutsItsWebSockets: after an upgrade there is no response
// any more that could fail.
func TestRevokingAKeyCutsItsWebSockets(t *testing.T) {
	world := harness.NewWorld(t)
	world.Backend.Handle("/ws", echo)
	server := world.Start(t, harness.Options{})
	connection := server.Dial(t)
	defer connection.Close()
	fields := append(credentials(t, server, "GET", "/ws"), "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	if _, err := io.WriteString(connection, wire(harness.NewID(), "GET /ws HTTP/1.1", fields...)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", response, err)
	}
	if _, err := fmt.Fprintln(connection, "before"); err != nil {
		t.Fatal(err)
	}
	if got, err := reader.ReadString('\n'); err != nil || got != "before\n" {
		t.Fatalf("got %q and %v", got, err)
	}
	revoke(t, server, "revoke")
	if rest, err := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("got %q and %v after the end", rest, err)
	}
}
