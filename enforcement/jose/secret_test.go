// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"errors"
	"strings"
	"testing"
)

// Errors are logged, and what is parsed here may be a token: none may quote it.
func TestErrorsQuoteNothing(t *testing.T) {
	const secret = "s3cr3t"
	_, splitForeign := Split(secret+"!.b.c", 100)
	_, splitParts := Split(secret, 100)
	_, decode := Decode(secret + "!")
	_, thumbprint := ParseThumbprint(secret)
	_, algorithm := ParseAlgorithm(secret)
	all := []error{splitForeign, splitParts, decode, thumbprint, algorithm}
	for _, text := range []string{
		`{"alg":"s3cr3t"}`, `{"alg":["s3cr3t"]}`, `{"s3cr3t":1,"s3cr3t":1}`, `{"s3cr3t`, `{"s3cr3t":"\ud800"}`, `{"alg":"ES256","kid":["s3cr3t"]}`,
		`{"alg":"ES256","zip":"s3cr3t"}`, `{"alg":"ES256","crit":["s3cr3t"]}`,
	} {
		_, err := ParseHeader(header(text))
		all = append(all, err)
	}
	for _, text := range []string{
		`{"kty":"s3cr3t"}`, `{"kty":"EC","crv":"s3cr3t"}`, `{"kty":"EC","crv":"P-256","x":"s3cr3t"}`, `{"d":"s3cr3t"}`, `{"k":"s3cr3t"}`,
		`{"kty":"RSA","n":"s3cr3t"}`, `{"use":"s3cr3t"}`, `{"key_ops":["s3cr3t"]}`, `{"kty":"OKP","crv":"Ed25519","x":"s3cr3t"}`,
	} {
		_, err := ParseKey([]byte(text))
		all = append(all, err)
	}
	for i, err := range all {
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error %d: %v", i, err)
		}
	}
}

// A caller can tell every cause by errors.Is.
func TestErrorsWrapTheirCause(t *testing.T) {
	_, err := ParseKey([]byte(`{"kty":"OKP","crv":"Ed25519","x":"` + strings.Repeat("!", 43) + `"}`))
	if !errors.Is(err, ErrKey) || !errors.Is(err, ErrBase64) {
		t.Errorf("got %v", err)
	}
}
