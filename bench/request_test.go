// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/client"
)

func newTestFleet(t *testing.T, size int) *fleet {
	t.Helper()
	issuer, err := newIssuer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFleet(issuer, muster{client.ES256, size, "jkt"}, byThumbprint)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDevicesTakeTurnsWithANewProofEach(t *testing.T) {
	f := newTestFleet(t, 2)
	_, first, err := f.fresh(3)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := f.fresh(1)
	if err != nil {
		t.Fatal(err)
	}
	requests := append(first, second...)
	proofs := map[string]bool{}
	for i, r := range requests {
		if r.want != http.StatusOK || r.authorization != "DPoP "+f.devices[i%2].token {
			t.Errorf("request %d is not that of device %d", i, i%2)
		}
		proofs[r.proof] = true
	}
	if len(proofs) != len(requests) {
		t.Errorf("%d requests have %d proofs", len(requests), len(proofs))
	}
}

func TestEveryNewTokenIsNew(t *testing.T) {
	_, requests, err := newTestFleet(t, 1).newTokens(2)
	if err != nil {
		t.Fatal(err)
	}
	if requests[0].authorization == requests[1].authorization {
		t.Error("the same token came twice")
	}
}

func TestReplayedRequestsWereServedBefore(t *testing.T) {
	before, requests, err := newTestFleet(t, 2).replayed(5)
	if err != nil || len(before) != 2 || len(requests) != 5 {
		t.Fatalf("%d before, %d requests, %v", len(before), len(requests), err)
	}
	for i, r := range requests {
		if r.proof != before[i%2].proof || before[i%2].want != http.StatusOK || r.want != http.StatusUnauthorized {
			t.Errorf("request %d is not a replay", i)
		}
	}
}

func TestRefusedRequestsDifferInWhatTheyAreRefusedFor(t *testing.T) {
	f := newTestFleet(t, 2)
	for name, make := range map[string]maker{
		"no credential": f.withoutCredential, "other key": f.otherKey, "bad signature": f.badSignature, "bad token": f.badToken,
	} {
		t.Run(name, func(t *testing.T) {
			_, requests, err := make(2)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range requests {
				if r.want != http.StatusUnauthorized {
					t.Errorf("status %d is expected", r.want)
				}
				if name == "no credential" != (r.authorization == "" && r.proof == "") {
					t.Errorf("token of %d bytes, proof of %d bytes", len(r.authorization), len(r.proof))
				}
			}
		})
	}
}

func TestForgeChangesTheSignatureOnly(t *testing.T) {
	for _, jws := range []string{"aa.bb.cccc", "aa.bb.AAAA"} {
		forged := forge(jws)
		if forged == jws || len(forged) != len(jws) || !strings.HasPrefix(forged, "aa.bb.") {
			t.Errorf("%s became %s", jws, forged)
		}
	}
}

func TestWireHasOnlyTheHeadersThereAre(t *testing.T) {
	text := string(request{authorization: "DPoP t", proof: "p"}.wire())
	for _, part := range []string{"GET /", "\r\nHost: " + host, "\r\nAuthorization: DPoP t\r\n", "\r\nDpop: p\r\n\r\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in %q", part, text)
		}
	}
	if text = string(request{}.wire()); strings.Contains(text, "Authorization") || strings.Contains(text, "Dpop") {
		t.Errorf("a request without credential is %q", text)
	}
}

func TestParallelCallsEachOnceAndReportsFailures(t *testing.T) {
	var calls [101]int
	if err := parallel(len(calls), func(i int) error { calls[i]++; return nil }); err != nil {
		t.Fatal(err)
	}
	for i, n := range calls {
		if n != 1 {
			t.Errorf("%d was called %d times", i, n)
		}
	}
	broken := errors.New("broken")
	if err := parallel(4, func(i int) error {
		if i == 3 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
