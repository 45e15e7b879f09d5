// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package dpop verifies DPoP proofs at the resource server (RFC 9449,
// sections 4.3 and 7.1). Cheap checks come first: what is known from the
// header alone, then what the claims say of this request, then the memory of
// spent proofs, and the device key's signature last. Verifying spends
// nothing; the enforcer spends the proof when the request is forwarded.
package dpop
