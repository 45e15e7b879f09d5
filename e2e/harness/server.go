// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running Caddy with the module in it, in front of the backend.
type Server struct {
	World *World
	// Address is where the site listens, TCP and UDP.
	Address string

	name        string
	folder      string
	port, admin int
	options     Options

	mu      sync.Mutex
	command *exec.Cmd
	exited  chan struct{}
	nonce   string
	fetched time.Time
	clients [3]*http.Client
}

// patience is how long the harness waits for what should happen at once.
const patience = 20 * time.Second

// Start starts a server and waits until it answers. It ends with the test.
func (w *World) Start(t testing.TB, options Options) *Server {
	t.Helper()
	s := &Server{World: w, options: options}
	var err error
	if s.folder, err = os.MkdirTemp(workspace, "server-"); err != nil {
		t.Fatal(err)
	}
	s.name = t.Name() + " " + filepath.Base(s.folder)
	ledger.Lock()
	ledger.servers = append(ledger.servers, s)
	ledger.Unlock()
	t.Cleanup(s.Stop)
	if test, ok := t.(interface{ Deadline() (time.Time, bool) }); ok { // a test that runs out of time does not clean up
		if deadline, ok := test.Deadline(); ok {
			last := time.AfterFunc(time.Until(deadline)-5*time.Second, s.Kill)
			t.Cleanup(func() { last.Stop() })
		}
	}
	for range 3 { // somebody else may take a port between finding and using it
		if s.port, err = freePort(); err == nil {
			s.admin, err = freePort()
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Address = fmt.Sprintf("127.0.0.1:%d", s.port)
		if err = s.run(); err == nil {
			return s
		}
		if !bytes.Contains(s.Output(), []byte("address already in use")) {
			break
		}
	}
	t.Fatalf("starting the server: %v\n%s", err, s.Output())
	return nil
}

// Run starts the server again, after Stop or Kill, at the same address.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatalf("starting the server again: %v\n%s", err, s.Output())
	}
}

func (s *Server) run() error {
	config, err := s.World.caddyfile(s.options, s.port, s.admin)
	if err != nil {
		return err
	}
	path := filepath.Join(s.folder, "Caddyfile")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return err
	}
	output, err := os.OpenFile(filepath.Join(s.folder, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	devices, err := deviceAuthority()
	if err != nil {
		return err
	}
	command := exec.Command(binary, "run", "--config", path, "--adapter", "caddyfile")
	command.Stdout, command.Stderr = output, output
	command.Env = append(os.Environ(), "HOME="+s.folder, "XDG_DATA_HOME="+s.folder, "XDG_CONFIG_HOME="+s.folder, "DEVICE_CA="+devices.file)
	if err := command.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = command.Wait() // a killed server's exit status says nothing
		close(exited)
	}()
	s.mu.Lock()
	s.command, s.exited, s.nonce, s.fetched = command, exited, "", time.Time{}
	s.mu.Unlock()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if connection, err := net.DialTimeout("tcp", s.Address, time.Second); err == nil {
			return connection.Close()
		}
		select {
		case <-exited:
			return errors.New("it exited")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errors.New("it does not listen")
}

// Stop ends the server as an administrator would, and waits for its end.
func (s *Server) Stop() { s.signal(syscall.SIGTERM) }

// Kill ends the server as kill -9 does.
func (s *Server) Kill() { s.signal(syscall.SIGKILL) }

func (s *Server) signal(signal syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.command == nil {
		return
	}
	_ = s.command.Process.Signal(signal) // it may have ended by itself
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.command.Process.Kill()
		<-s.exited
	}
	s.command = nil
	for i, client := range s.clients {
		if client != nil {
			client.CloseIdleConnections()
			s.clients[i] = nil
		}
	}
}

// Reload gives the running server another configuration, as `caddy reload`
// does. The error holds the server's words if it is rejected.
func (s *Server) Reload(options Options) error {
	config, err := s.World.caddyfile(options, s.port, s.admin)
	if err != nil {
		return err
	}
	return s.Load(config)
}

// Load posts a whole Caddyfile to the admin API.
func (s *Server) Load(config []byte) error {
	response, err := http.Post(s.AdminURL("/load"), "text/caddyfile", bytes.NewReader(config))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, answer)
	}
	return err
}

// AdminURL is a URL of the server's admin API, /metrics for example.
func (s *Server) AdminURL(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", s.admin, path)
}

// PID is the process id of the running server.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.command.Process.Pid
}

// given are the ports that were handed out already.
var given sync.Map

// freePort finds a port that is free for TCP and for UDP.
func freePort() (int, error) {
	for range 50 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := listener.Addr().(*net.TCPAddr).Port
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		_ = listener.Close()
		if err != nil {
			continue
		}
		_ = packets.Close()
		if _, taken := given.LoadOrStore(port, true); !taken {
			return port, nil
		}
	}
	return 0, errors.New("no free port on loopback")
}
