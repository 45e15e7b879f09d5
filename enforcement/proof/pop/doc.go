// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package pop verifies signed HTTP requests as Microsoft Entra's clients send
// them (draft-ietf-oauth-signed-http-request-03, "the draft" below, in the
// dialects of MSAL.NET, MSAL.js and the clients of Azure Arc). The credential
// is one JWS: it carries the access token, says which request it is for, and
// is signed by the key that the token confirms.
//
// So the way has two halves. [Parse] takes the credential apart as far as it
// must to get at the access token, for the token verifier to judge.
// [Verifier.Verify] then holds the rest against the request and against the
// key in the token's confirmation. Cheap checks come first, the signature
// after them, and the body, where it is covered, last of all: nobody but the
// holder of the key makes us buffer one. Verifying spends nothing; the
// enforcer spends the signed request when it is forwarded.
package pop
