// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package mtls holds a client certificate against what a token is bound to:
// the certificate's hash (RFC 8705, section 3), or the id of the device that
// the certificate was issued to. The certificate comes from the TLS connection
// itself, whose handshake proved possession of the key, or is forwarded by a
// TLS terminator in front, which is believed only where it is configured and
// only from its own address (RFC 9440, section 4).
package mtls
