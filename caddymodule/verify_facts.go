// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
)

// maxFact is how much of a value is shown, in bytes.
const maxFact = 200

// facts describes a JWS by members of its header and payload that are no
// secret. Nothing is verified; what cannot be read is left out. The values are
// quoted: they may be anything.
func facts(compact string, header, payload []string) string {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return "not a compact JWS"
	}
	var found []string
	for i, names := range [][]string{header, payload} {
		members, ok := decodePart(parts[i])
		if !ok {
			return "not a compact JWS of JSON objects"
		}
		for _, name := range names {
			if raw, ok := members[name]; ok {
				found = append(found, name+" "+fact(name, raw))
			}
		}
	}
	return strings.Join(found, ", ")
}

func decodePart(part string) (members map[string]json.RawMessage, ok bool) {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return members, err == nil && json.Unmarshal(text, &members) == nil
}

// fact writes one value: times as times, keys as their thumbprints, URLs
// without their query, and of a nonce only that it is there.
func fact(name string, raw json.RawMessage) string {
	switch name {
	case "exp", "nbf", "iat", "ts":
		var seconds int64
		if json.Unmarshal(raw, &seconds) == nil {
			return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		}
	case "jwk":
		key, err := jose.ParseKey(raw)
		if err != nil {
			return "(not an acceptable public key)"
		}
		return "with the thumbprint " + key.Thumbprint.String()
	case "nonce", "jti":
		return "(present)"
	case "cnf":
		return confirmationFact(raw)
	case "htu", "p":
		var url string
		if json.Unmarshal(raw, &url) == nil {
			url, _, _ = strings.Cut(url, "?")
			url, _, _ = strings.Cut(url, "#")
			return quoted(url)
		}
	}
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return "(unreadable)"
	}
	switch value := value.(type) {
	case string:
		return quoted(value)
	case []any, map[string]any:
		return quoted(string(raw))
	default:
		return fmt.Sprint(value)
	}
}

// confirmationFact shows which keys are confirmed, by thumbprint.
func confirmationFact(raw json.RawMessage) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return "(not an object)"
	}
	var found []string
	for _, name := range []string{"jkt", "x5t#S256", "kid", "jwk"} {
		if value, ok := members[name]; ok {
			found = append(found, name+" "+fact(name, value))
		}
	}
	if len(found) == 0 {
		return "(with no member that is known here)"
	}
	return "(" + strings.Join(found, ", ") + ")"
}

func quoted(text string) string {
	if len(text) > maxFact {
		text = text[:maxFact] + "..."
	}
	return fmt.Sprintf("%q", text)
}

// The members that are shown.
var (
	tokenHeader  = []string{"typ", "alg", "kid"}
	tokenPayload = []string{"iss", "aud", "exp", "nbf", "iat", "cnf"}
	proofHeader  = []string{"typ", "alg", "jwk"}
	proofPayload = []string{"htm", "htu", "iat", "exp", "nbf", "jti", "nonce"}
	signedFacts  = []string{"m", "u", "p", "ts", "cnf", "nonce"}
)

// tokenHashFact says whether a proof was made for the token (RFC 9449,
// section 4.3, check 12).
func tokenHashFact(proof, token string) string {
	parts := strings.Split(proof, ".")
	if len(parts) != 3 {
		return ""
	}
	members, ok := decodePart(parts[1])
	if !ok {
		return ""
	}
	var presented string
	hash := sha256.Sum256([]byte(token))
	switch {
	case json.Unmarshal(members["ath"], &presented) != nil:
		return ", no ath"
	case presented == base64.RawURLEncoding.EncodeToString(hash[:]):
		return ", ath of this token"
	}
	return ", ath of another token"
}
