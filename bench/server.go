// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// binaries are the two programs that are compared, once build has made them.
type binaries struct{ caddy, limit string }

// build compiles Caddy with the module as a user gets it, and Caddy with the
// benchmark's own handlers, into folder.
func build(folder string) (binaries, error) {
	b := binaries{filepath.Join(folder, "caddy-module"), filepath.Join(folder, "caddy-limit")}
	for output, main := range map[string]string{b.caddy: "./cmd/caddy", b.limit: "./bench/limit"} {
		command := exec.Command("go", "build", "-tags", "nobadger,nomysql,nopgx", "-o", output, main)
		if text, err := command.CombinedOutput(); err != nil {
			return b, fmt.Errorf("building %s in the module's root: %w\n%s", main, err, text)
		}
	}
	return b, nil
}

// server is a running Caddy with one processor.
type server struct {
	name              string
	plain, tls, admin string // addresses
	started           time.Time
	command           *exec.Cmd
	exited            chan struct{}
	output            *bytes.Buffer
	counted           *instructions // nil where there are no hardware counters
	whyNotCounted     error
	reading           memory // what reading the debug variables costs
}

// patience is how long a server may take to start or to stop.
const patience = 20 * time.Second

// start runs a server with the configuration, in a folder of its own.
func start(name, binary, folder string, configure func(s *server, folder string) string) (*server, error) {
	s := &server{name: name, output: new(bytes.Buffer), exited: make(chan struct{})}
	if err := freeAddresses(&s.plain, &s.tls, &s.admin); err != nil {
		return nil, err
	}
	folder = filepath.Join(folder, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(folder, "Caddyfile")
	if err := os.WriteFile(config, []byte(configure(s, folder)), 0o600); err != nil {
		return nil, err
	}
	return s, s.run(binary, config, folder)
}

// freeAddresses finds addresses on loopback where nobody listens.
func freeAddresses(addresses ...*string) error {
	for _, address := range addresses {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close() // not sooner: the next one would get the same port
		*address = listener.Addr().String()
	}
	return nil
}

func (s *server) run(binary, config, folder string) error {
	s.command = exec.Command(binary, "run", "--config", config, "--adapter", "caddyfile")
	s.command.Env = append(os.Environ(), "GOMAXPROCS=1", "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	s.command.Stdout, s.command.Stderr = s.output, s.output
	if err := s.command.Start(); err != nil {
		return err
	}
	go func() {
		_ = s.command.Wait() // how it ended says nothing: it is told to
		close(s.exited)
	}()
	return nil
}

// ready waits until the server answers, and prepares its counters.
func (s *server) ready() error {
	for deadline := time.Now().Add(patience); ; {
		connection, err := net.DialTimeout("tcp", s.plain, time.Second)
		if err == nil {
			_ = connection.Close()
			break
		}
		select {
		case <-s.exited:
			return fmt.Errorf("server %s ended:\n%s", s.name, s.output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("server %s does not listen: %w", s.name, err)
		}
	}
	s.started = time.Now()
	s.counted, s.whyNotCounted = countInstructions(s.command.Process.Pid)
	return s.calibrate()
}

// calibrate finds out what reading the debug variables itself allocates.
func (s *server) calibrate() error {
	var last memory
	for range 3 { // the first one opens the connection
		now, err := readMemory(s.admin)
		if err != nil {
			return err
		}
		s.reading = memory{Mallocs: now.Mallocs - last.Mallocs, TotalAlloc: now.TotalAlloc - last.TotalAlloc}
		last = now
	}
	return nil
}

// stop ends the server.
func (s *server) stop() {
	if s.counted != nil {
		s.counted.close()
	}
	_ = s.command.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.command.Process.Kill()
		<-s.exited
	}
}

// connect opens connections to the server.
func (s *server) connect(p protocol, connections int, config *tls.Config) (*generator, error) {
	address := s.plain
	if p != plain {
		address = s.tls
	}
	return newGenerator(address, p, connections, config)
}

// count reads the instructions so far; not-a-number where there are no counters.
func (s *server) count() (float64, error) {
	if s.counted == nil {
		return math.NaN(), nil
	}
	return s.counted.read()
}

// collect makes the server collect its garbage, and returns what is left.
func (s *server) collect() (memory, error) {
	if err := s.save("/debug/pprof/heap?gc=1", io.Discard); err != nil {
		return memory{}, err
	}
	return readMemory(s.admin)
}

// save copies what the admin API answers.
func (s *server) save(path string, to io.Writer) error {
	response, err := http.Get("http://" + s.admin + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(path + ": " + response.Status)
	}
	_, err = io.Copy(to, response.Body)
	return err
}
