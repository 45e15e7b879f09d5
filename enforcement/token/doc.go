// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package token answers the first question about a request: is the presented
// access token genuine, and which device key is it bound to? A [Verifier]
// knows the configured issuers. It reads the token strictly, picks the issuer
// by its iss, a key from that issuer's [KeySet], lets golang-jwt check the
// signature, and returns the [Claims] with their [Confirmation]. What has
// been verified once is remembered by the token's SHA-256 until it expires or
// its signing key leaves the key set.
package token
