// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"fmt"
	"strings"
)

// Compact is a JWS in compact serialization, taken apart but not yet decoded. RFC 7515, section 7.1. All fields are parts of
// the token's own string.
type Compact struct {
	Header, Payload, Signature string // base64url, none of them empty
	SigningInput               string // the header, a period and the payload: what the signature covers
}

// The parts of a compact JWS and of a compact JWE. RFC 7515, section 7.1; RFC 7516, section 7.1.
const (
	jwsParts = 3
	jweParts = 5
)

// Split takes a compact JWS of at most limit octets apart. It looks at the size first, and accepts exactly three non-empty
// parts of the alphabet of base64url. It costs two passes and no memory, however many periods there are. An error wraps
// ErrCompact; it names the five parts of an encrypted token as what they are.
func Split(token string, limit int) (Compact, error) {
	if len(token) > limit {
		return Compact{}, fmt.Errorf("%w: %d octets, expected at most %d", ErrCompact, len(token), limit)
	}
	switch parts := strings.Count(token, ".") + 1; parts {
	case jwsParts:
	case jweParts:
		return Compact{}, fmt.Errorf("%w: five parts are an encrypted token (JWE), expected a signed one", ErrCompact)
	default:
		return Compact{}, fmt.Errorf("%w: %d parts, expected three", ErrCompact, parts)
	}
	first, last := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	compact := Compact{
		Header:       token[:first],
		Payload:      token[first+1 : last],
		Signature:    token[last+1:],
		SigningInput: token[:last],
	}
	for _, part := range [...]string{compact.Header, compact.Payload, compact.Signature} {
		if part == "" {
			return Compact{}, fmt.Errorf("%w: empty part", ErrCompact)
		}
		if !alphabet.HasAll(part) {
			return Compact{}, fmt.Errorf("%w: character outside of the base64url alphabet", ErrCompact)
		}
	}
	return compact, nil
}

// maxKeyID is how many octets a kid may have: it becomes a key of caches and log records.
const maxKeyID = 1024

// Header is the JOSE header of a JWS, RFC 7515, section 4, as far as it is believed. What tells a verifier where to find a
// key (jku, x5u, x5c, x5t) is ignored and never dereferenced.
type Header struct {
	Algorithm Algorithm
	Type      string // typ with ASCII letters in lower case; empty if absent
	KeyID     string // kid; empty if absent
	Key       []byte // the jwk member, a JSON object for ParseKey, not to be changed; nil if absent
}

// ParseHeader decodes and reads the header segment of a compact JWS that Split has bounded. It must be strict JSON (see
// ScanObject) with a supported alg; typ and kid must be strings and jwk an object, when present; kid has at most 1024
// octets. crit, b64 and zip are refused: no extension is understood here, RFC 7515, section 4.1.11, and a payload that
// is read otherwise than it was signed is none of ours, RFC 7797. Errors wrap ErrBase64, ErrHeader, ErrAlgorithm, or what
// ScanObject found.
func ParseHeader(segment string) (Header, error) {
	document, err := Decode(segment)
	if err != nil {
		return Header{}, fmt.Errorf("JOSE header: %w", err)
	}
	var header Header
	err = ScanObject(document, func(name string, value Value) error {
		return header.set(name, value)
	})
	if err != nil {
		return Header{}, fmt.Errorf("JOSE header: %w", err)
	}
	if header.Algorithm == "" {
		return Header{}, fmt.Errorf("%w: alg is missing", ErrHeader)
	}
	return header, nil
}

// set takes one header parameter. The document is the header's own and never changes, so its strings may be parts of it.
func (h *Header) set(name string, value Value) error {
	switch name {
	case "alg":
		text, err := value.Bytes()
		if err != nil {
			return fmt.Errorf("%w: alg: %w", ErrHeader, err)
		}
		h.Algorithm, err = ParseAlgorithm(alias(text))
		return err
	case "typ":
		text, err := value.Bytes()
		if err != nil {
			return fmt.Errorf("%w: typ: %w", ErrHeader, err)
		}
		h.Type = lowerASCII(alias(text))
	case "kid":
		text, err := value.Bytes()
		if err != nil {
			return fmt.Errorf("%w: kid: %w", ErrHeader, err)
		}
		if len(text) > maxKeyID {
			return fmt.Errorf("%w: kid has %d octets, expected at most %d", ErrHeader, len(text), maxKeyID)
		}
		h.KeyID = alias(text)
	case "jwk":
		if value.Kind != Object {
			return fmt.Errorf("%w: jwk: %w", ErrHeader, value.not("an object"))
		}
		h.Key = value.Raw
	case "crit", "b64", "zip":
		// name is one of three words of ours here, not the sender's.
		return fmt.Errorf("%w: %s is not supported", ErrHeader, name)
	}
	return nil
}

// lowerASCII lowers the letters A to Z only: other case mappings fold foreign letters into ASCII (U+212A becomes k).
func lowerASCII(text string) string {
	for i := range len(text) {
		if 'A' <= text[i] && text[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, text)
		}
	}
	return text
}
