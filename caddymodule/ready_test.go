// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"
)

// A node that cannot judge a token is not ready, and is once it has the keys.
func TestReadyOnceTheKeysAreThere(t *testing.T) {
	before := goleak.IgnoreCurrent()
	i := newIssuer(t)
	open := make(chan struct{}) // an issuer that is slow, until the test lets it answer
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-open
		_, _ = w.Write(i.jwks)
	}))
	setup{issuer: i, keys: "jwks_url " + keys.URL + "/keys", app: policyOn}.load(t)
	answer := ask(t, get("ready"))
	got := decode[readiness](t, answer.Body.Bytes())
	if answer.Code != http.StatusServiceUnavailable || got.Ready || !slices.Equal(got.WaitingFor, []string{issuerName}) {
		t.Errorf("before: %d %+v", answer.Code, got)
	}
	if s := decode[status](t, ask(t, get("status")).Body.Bytes()); s.Ready || !s.KeySets[0].Expired || s.KeySets[0].Fetched != nil {
		t.Errorf("status before: %+v", s)
	}
	close(open)
	if _, err := running(t).keySets[0].Find("k1", "ES256", time.Now()); err != nil { // waits for the fetch
		t.Fatal(err)
	}
	if answer := ask(t, get("ready")); answer.Code != http.StatusOK {
		t.Errorf("after: %d %s", answer.Code, answer.Body)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	keys.Close()
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh")) // the first start of Caddy's cleans its storage
}

// The keys of an issuer that is asked about its tokens need not be there.
func TestReadyWithoutKeysWhereTheIssuerIsAsked(t *testing.T) {
	keys := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(keys.Close)
	setup{issuer: newIssuer(t), app: policyOn, keys: "jwks_url " + keys.URL + "/keys\n\t\t\tintrospection " + keys.URL + "/introspect {\n\t\t\t\tclient_id a\n\t\t\t\tclient_secret b\n\t\t\t}"}.load(t)
	if answer := ask(t, get("ready")); answer.Code != http.StatusOK {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}
