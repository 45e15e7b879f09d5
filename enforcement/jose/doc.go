// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package jose reads JOSE objects strictly: compact signatures (RFC 7515), public keys (RFC 7517, RFC 7518, RFC 8037),
// their thumbprints (RFC 7638), and the JSON and base64url that they are made of.
//
// Two verifiers that read one token differently are an attack: the first lets it pass, the second obeys what the first did
// not see. golang-jwt and encoding/json accept member names twice and in the wrong case, unknown critical extensions,
// invalid UTF-8 and many spellings of one signature. So everything that is read before a signature is checked is read
// here, in one accepted form, and whatever has a second reading is refused. A token's way is:
//
//	compact, err := jose.Split(token, 8<<10)         // three parts, bounded, only the alphabet of base64url
//	header, err := jose.ParseHeader(compact.Header)  // a supported algorithm, nothing critical
//	key, err := jose.ParseKey(header.Key)            // a public key that is fit for use, and its thumbprint
//	signature, err := jose.Decode(compact.Signature) // one spelling only
//	err = key.Verify(header.Algorithm, compact.SigningInput, signature)
//	payload, err := jose.Decode(compact.Payload)
//	err = jose.ScanObject(payload, visit)            // claims, exact names, none twice
//
// The signatures themselves are checked by golang-jwt and the standard library. No error of this package quotes what it
// was given: its text can be logged.
package jose
