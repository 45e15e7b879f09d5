// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Names of the servers. Each is a process of its own, so that no scenario
// warms or fills the caches of another.
const (
	bare       = "bare"        // reverse_proxy alone
	limit      = "limit"       // and one ES256 verification and one SHA-256
	limitEdDSA = "limit-eddsa" // the same with Ed25519
	limitRS256 = "limit-rs256" // the same with RSA of 2048 bits
	limitMTLS  = "limit-mtls"  // no signature: that of TLS is the connection's
	naive      = "naive"       // DPoP checked with golang-jwt and maps
	enforce    = "enforce"     // this module as a user runs it
	crowd      = "crowd"       // the same, for many devices
	multitude  = "multitude"   // the same, for as many as are remembered
	signed     = "signed"      // the same, for signed requests
	bearer     = "bearer"      // the same, for client certificates
	redisSet   = "redis"       // the same, with its replay set in Redis
	newcomers  = "newcomers"   // the same, for tokens that are always new
	policies   = "policies"    // the same, with 100 policies
	reportOnly = "report-only" // the same, with its policy in report-only
	empty      = "empty"       // the same, and proofs live for an hour
	million    = "million"     // the same, with a million of them spent
	millions   = "millions"    // the same, with four millions
)

// spec says how a server is configured.
type spec struct {
	name string
	// module says that the module is compiled in and configured.
	module bool
	// directive is what stands before reverse_proxy.
	directive string
	// policies is the number of policies, and state is their state.
	policies int
	state    string
	// maxAge is how long proofs are accepted.
	maxAge time.Duration
	// redis is the URL of the replay set's server, where it is not in memory.
	redis string
	// mutual says that TLS asks for a client certificate.
	mutual bool
}

// specs are all servers that scenarios may ask for. The Redis server may be empty.
func specs(folder, redis string) []spec {
	module := func(name string, policies int, state string, maxAge time.Duration) spec {
		return spec{name: name, module: true, policies: policies, state: state, maxAge: maxAge}
	}
	return []spec{
		{name: bare},
		{name: limit, directive: "bench_limit"},
		{name: limitEdDSA, directive: "bench_limit EdDSA"},
		{name: limitRS256, directive: "bench_limit RS256"},
		{name: limitMTLS, directive: "bench_limit none", mutual: true},
		{name: naive, directive: fmt.Sprintf("bench_naive * %s %s %s", filepath.Join(folder, "issuer.pem"), origin, origin)},
		module(enforce, 1, "on", time.Minute),
		module(crowd, 1, "on", time.Minute),
		module(newcomers, 1, "on", time.Minute),
		module(policies, 100, "on", time.Minute),
		module(reportOnly, 1, "report_only", time.Minute),
		module(empty, 1, "on", time.Hour),
		module(million, 1, "on", time.Hour),
		module(millions, 1, "on", time.Hour),
		module(multitude, 1, "on", time.Minute),
		module(signed, 1, "on", time.Minute),
		{name: bearer, module: true, policies: 1, state: "on", maxAge: time.Minute, mutual: true},
		{name: redisSet, module: true, policies: 1, state: "on", maxAge: time.Minute, redis: redis},
	}
}

// caddyfile is the server's configuration. The folder holds what issuer wrote,
// own is the server's own one. Everything that costs is at its default, but
// for the number of proofs of one device, which no generator could stay below,
// and for the size of the replay set where proofs live for an hour.
func (s spec) caddyfile(at *server, folder, own, backend string) string {
	var text strings.Builder
	fmt.Fprintf(&text, `{
	admin %s
	persist_config off
	auto_https off
	servers {
		timeouts {
			idle 1h
		}
	}
	log default {
		level WARN
		exclude token_protection.sign_in
	}
`, at.admin)
	directive := s.directive
	if s.module {
		s.app(&text, folder, own)
		directive = fmt.Sprintf("token_protection exchange {\n\t\taudience %s\n\t\tpublic_url %s\n\t}", origin, origin)
	}
	clients := ""
	if s.mutual {
		clients = " {\n\t\tclient_auth {\n\t\t\tmode require\n\t\t}\n\t}"
	}
	fmt.Fprintf(&text, `}

(site) {
	bind 127.0.0.1
	%s
	reverse_proxy %s
}

http://:%s {
	import site
}

https://:%s {
	tls %s %s%s
	import site
}
`, directive, backend, port(at.plain), port(at.tls), filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"), clients)
	return text.String()
}

// port is the port of an address: a site that has a host in its own would
// answer to no other.
func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// app is the module's global option.
func (s spec) app(text *strings.Builder, folder, own string) {
	replay := "memory"
	if s.redis != "" {
		replay = "redis " + s.redis
	}
	entries := 1_000_000
	if s.maxAge > time.Minute {
		entries = 6_000_000
	}
	fmt.Fprintf(text, `	log sign_in {
		output file %s
		include token_protection.sign_in
	}
	token_protection {
		issuer %s {
			jwks_file %s
		}
		proof {
			max_age %s
		}
		replay %s {
			max_entries %d
			max_per_key 1000000
		}
`, filepath.Join(own, "sign-in.log"), issuerURL, filepath.Join(folder, "jwks.json"), s.maxAge, replay, entries)
	for i := range s.policies {
		group := "pilot"
		if i%2 == 1 { // every other policy is for somebody else
			group = fmt.Sprintf("team-%d", i)
		}
		fmt.Fprintf(text, `		policy "Require token protection, number %d" {
			state %s
			users {
				include group %s
				exclude guests
				exclude group break-glass
			}
			resources exchange
			client_apps mobile_and_desktop
		}
`, i+1, s.state, group)
	}
	text.WriteString("\t}\n")
}
