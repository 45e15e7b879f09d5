// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package harness starts the built server and everything around it on
// loopback: an issuer, a recording backend, clients for HTTP/1.1, HTTP/2 and
// HTTP/3. It knows the product only as a user does, by its Caddyfile, its
// answers and its output, and signs tokens and proofs by its own means, so
// that wrong ones can be made too.
//
// A test usually does this:
//
//	world := harness.NewWorld(t)                   // issuer, backend, keys, tokens
//	server := world.Start(t, harness.Options{})    // policy in state `on` for everybody
//	got := server.Do(t, harness.HTTP1, world.Bound("GET", "/api/x", server.Nonce(t)))
//	// got.Status, got.Error, got.Hits(), server.Record(t, got.CorrelationID())
//
// The site is https://mail.example; the clients dial loopback for that name.
// For its first seconds a server asks every proof for a nonce, as it cannot
// know what was spent before; Server.Nonce gets one, once.
//
// Every token, proof, nonce and private key that goes through here is noted;
// Leaks tells which of them were found in the output of any server.
package harness
