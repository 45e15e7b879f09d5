// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func TestTokensConfirmWhatTheirRequestsProve(t *testing.T) {
	certificate, err := newClientCertificate()
	if err != nil {
		t.Fatal(err)
	}
	f := newTestFleet(t, 1)
	key := f.devices[0].key
	thumbprint := sha256.Sum256(certificate.Certificate[0])
	if got := byCertificate(certificate)(key)["x5t#S256"]; got != base64.RawURLEncoding.EncodeToString(thumbprint[:]) {
		t.Errorf("certificate: %q", got)
	}
	if byThumbprint(key)["jkt"] != key.Thumbprint() || byKeyID(key)["kid"] != key.Thumbprint() {
		t.Error("a key is confirmed by something else than its thumbprint")
	}
}

func TestEachSchemeHasItsWayToCarryTheToken(t *testing.T) {
	f := newTestFleet(t, 1)
	for name, test := range map[string]struct {
		make   maker
		scheme string
	}{"signed requests": {f.signedRequests, "PoP "}, "client certificates": {f.bearers, "Bearer "}} {
		_, requests, err := test.make(2)
		if err != nil || len(requests) != 2 {
			t.Fatalf("%s: %d requests, %v", name, len(requests), err)
		}
		for _, r := range requests {
			if !strings.HasPrefix(r.authorization, test.scheme) || r.proof != "" || r.want != http.StatusOK {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}
