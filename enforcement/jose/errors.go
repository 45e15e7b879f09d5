// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import "errors"

// What can be wrong with JOSE objects. Every error of this package wraps one of these or of those below; the inner cause too.
var (
	// ErrCompact: not a JWS in compact serialization, RFC 7515, section 7.1, or longer than the caller's limit.
	ErrCompact = errors.New("not a compact JWS")
	// ErrBase64: not the one spelling of its octets in base64url without padding, RFC 7515, section 2.
	ErrBase64 = errors.New("not canonical base64url")
	// ErrHeader: a JOSE header with a parameter that is missing, of the wrong type or not acceptable.
	ErrHeader = errors.New("JOSE header refused")
	// ErrAlgorithm: an algorithm that is not supported, or that does not fit the key.
	ErrAlgorithm = errors.New("algorithm refused")
	// ErrKey: a JWK that is not a public key fit for use.
	ErrKey = errors.New("JWK refused")
	// ErrThumbprint: not the text of a SHA-256 thumbprint, RFC 7638.
	ErrThumbprint = errors.New("not a SHA-256 JWK thumbprint")
	// ErrSignature: the signature is not the key's over this input.
	ErrSignature = errors.New("signature does not verify")
)

// What can be wrong with a JSON document. ErrSyntax is what every parser refuses; the others are refused here although
// encoding/json accepts them.
var (
	// ErrSyntax: not JSON, RFC 8259.
	ErrSyntax = errors.New("not valid JSON")
	// ErrNotObject: the document is not an object.
	ErrNotObject = errors.New("not a JSON object")
	// ErrDuplicate: an object has two members of one name. RFC 7515, section 4, allows to refuse it.
	ErrDuplicate = errors.New("duplicate member name")
	// ErrDepth: nested deeper than 32 levels.
	ErrDepth = errors.New("nested deeper than 32 levels")
	// ErrText: not well-formed Unicode: invalid UTF-8, a byte order mark, or half of a surrogate pair.
	ErrText = errors.New("not well-formed Unicode")
	// ErrType: a value is not of the type that was asked for.
	ErrType = errors.New("wrong JSON type")
)
