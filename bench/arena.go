// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// arena is where servers are compared: all of them run until the end.
type arena struct {
	servers    map[string]*server
	makers     map[work]maker
	generators map[lane]*generator
	roots      *x509.CertPool
	identity   tls.Certificate // the client's, where the server asks for one
	backend    *backend
}

// lane is a set of connections to one server.
type lane struct {
	server      string
	protocol    protocol
	connections int
}

// young is how long a new server asks for a server nonce with each proof: it
// cannot know what was spent before it began, by clocks that are off by the
// default skew of 15 seconds. The benchmark waits, so that its proofs are like
// those of a server in daily use.
const young = 17 * time.Second

// open builds the programs, starts the servers that the scenarios need, and
// waits until each of them answers as it will. The Redis server may be empty.
func open(scenarios []Scenario, folder, redis string, say func(string, ...any)) (a *arena, err error) {
	a = &arena{servers: map[string]*server{}, generators: map[lane]*generator{}, roots: x509.NewCertPool()}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	say("building Caddy with the module, and with the handlers it is compared with")
	programs, err := build(folder)
	if err != nil {
		return a, err
	}
	if a.backend, err = newBackend(); err != nil {
		return a, err
	}
	issuer, err := newIssuer(folder)
	if err != nil {
		return a, err
	}
	certificate, err := os.ReadFile(filepath.Join(folder, "tls.crt"))
	if err != nil {
		return a, err
	}
	a.roots.AppendCertsFromPEM(certificate)
	if a.identity, err = newClientCertificate(); err != nil {
		return a, err
	}
	if err := a.start(scenarios, folder, redis, programs); err != nil {
		return a, err
	}
	say("started %d servers; signing, and waiting until they are no longer young", len(a.servers))
	if err := a.mobilise(scenarios, issuer); err != nil {
		return a, err
	}
	for _, server := range a.servers {
		time.Sleep(time.Until(server.started.Add(young)))
	}
	return a, nil
}

// start runs the servers that the scenarios need.
func (a *arena) start(scenarios []Scenario, folder, redis string, programs binaries) error {
	for _, spec := range specs(folder, redis) {
		if !slices.ContainsFunc(scenarios, func(s Scenario) bool {
			return slices.ContainsFunc(s.Sides, func(side Side) bool { return side.Server == spec.name })
		}) {
			continue
		}
		program := programs.limit
		if spec.module {
			program = programs.caddy
		}
		server, err := start(spec.name, program, folder, func(s *server, own string) string {
			return spec.caddyfile(s, folder, own, a.backend.address())
		})
		if err != nil {
			return err
		}
		a.servers[spec.name] = server
	}
	for _, server := range a.servers {
		if err := server.ready(); err != nil {
			return err
		}
	}
	return nil
}

// generator returns the connections to a server, opening them if need be.
func (a *arena) generator(l lane) (*generator, error) {
	if g := a.generators[l]; g != nil {
		return g, nil
	}
	config := &tls.Config{RootCAs: a.roots, ServerName: host}
	if l.protocol == mutual {
		config.Certificates = []tls.Certificate{a.identity}
	}
	g, err := a.servers[l.server].connect(l.protocol, l.connections, config)
	if err == nil {
		a.generators[l] = g
	}
	return g, err
}

// half runs one slice of n requests on each side of the scenario, in their
// order or in the reverse one, and returns the samples in the sides' own
// order. Sides that get the same work get the very same requests.
func (a *arena) half(s Scenario, n int, reverse bool) ([]Sample, error) {
	samples := make([]Sample, len(s.Sides))
	type batch struct{ before, requests []request }
	batches := map[work]batch{}
	for _, side := range s.Sides {
		if _, made := batches[side.Work]; made {
			continue
		}
		before, requests, err := a.makers[side.Work](n)
		if err != nil {
			return nil, err
		}
		batches[side.Work] = batch{before, requests}
	}
	for i := range s.Sides {
		if reverse {
			i = len(s.Sides) - 1 - i
		}
		side := s.Sides[i]
		g, err := a.generator(lane{side.Server, s.Protocol, s.Connections})
		if err != nil {
			return nil, err
		}
		if before := batches[side.Work].before; before != nil {
			if _, _, err := g.run(before); err != nil {
				return nil, fmt.Errorf("%s: server %s: %w", s.Name, side.Server, err)
			}
		}
		if samples[i], err = slice(a.servers[side.Server], g, batches[side.Work].requests); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return samples, nil
}

// close stops everything.
func (a *arena) close() {
	for _, g := range a.generators {
		g.close()
	}
	for _, server := range a.servers {
		server.stop()
	}
	if a.backend != nil {
		a.backend.close()
	}
}

// errNotJudged says that the machine was too restless.
var errNotJudged = errors.New("the same server differs from itself by more than 3 %: nothing is judged; repeat when the machine is quieter")
