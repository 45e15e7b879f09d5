// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

const (
	// maxResponse is the longest proof that is looked at, in bytes.
	maxResponse = 8 << 10
	// typ is the media type of a proof (section "DBSC Proof JWTs").
	typ = "dbsc+jwt"
)

// response is the browser's answer to a challenge, a JWT, not yet verified.
type response struct {
	compact   jose.Compact
	header    jose.Header
	challenge string // jti
	audience  string // aud; empty if absent
}

// parseResponse reads the Secure-Session-Response fields: exactly one, with a
// strict JWT of the right type and algorithm in it.
func parseResponse(fields []string) (response, reason.Reason) {
	switch {
	case len(fields) == 0:
		return response{}, reason.ProofMissing
	case len(fields) > 1:
		return response{}, reason.ProofsSeveral
	case len(fields[0]) > maxResponse:
		return response{}, reason.ProofTooLarge
	}
	text, ok := fieldString(fields[0])
	if !ok {
		return response{}, reason.ProofMalformed
	}
	var p response
	var err error
	if p.compact, err = jose.Split(text, maxResponse); err != nil {
		return response{}, reason.ProofMalformed
	}
	if p.header, err = jose.ParseHeader(p.compact.Header); err != nil {
		return response{}, reason.ProofMalformed
	}
	switch {
	case p.header.Type != typ:
		return response{}, reason.ProofType
	case p.header.Algorithm != jose.ES256 && p.header.Algorithm != jose.RS256: // what was offered
		return response{}, reason.ProofAlgorithm
	}
	payload, err := jose.Decode(p.compact.Payload)
	if err != nil || jose.ScanObject(payload, p.claim) != nil || p.challenge == "" {
		return response{}, reason.ProofMalformed
	}
	return p, reason.None
}

func (p *response) claim(name string, value jose.Value) (err error) {
	switch name {
	case "jti":
		p.challenge, err = value.Text()
	case "aud":
		p.audience, err = value.Text()
		if p.audience == "" && err == nil {
			p.audience = "empty" // present, and nobody's URL
		}
	}
	return err
}

// addressedTo holds the audience, which not every browser states, against the
// endpoint's URL: a proof made for another site's session is no proof here.
func (p *response) addressedTo(url string) reason.Reason {
	if p.audience != "" && p.audience != url {
		return reason.ProofURL
	}
	return reason.None
}

// verify checks the signature with the key.
func (p *response) verify(key *jose.Key) reason.Reason {
	signature, err := jose.Decode(p.compact.Signature)
	if err != nil {
		return reason.ProofMalformed
	}
	if key.Verify(p.header.Algorithm, p.compact.SigningInput, signature) != nil {
		return reason.ProofSignature
	}
	return reason.None
}

// fieldString reads a field that the specification makes a string (RFC 9651,
// section 3.3.3) and that Chromium sends without the quotes. Lists, parameters
// and escapes have no use in these fields, and are not accepted.
func fieldString(field string) (text string, ok bool) {
	text = trim(field)
	if rest, quoted := strings.CutPrefix(text, `"`); quoted {
		if text, quoted = strings.CutSuffix(rest, `"`); !quoted {
			return "", false
		}
	}
	return text, text != "" && !strings.ContainsFunc(text, notInField)
}

// notInField leaves the characters of a JWT and of our session ids.
func notInField(r rune) bool {
	return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '-' || r == '_' || r == '.')
}
