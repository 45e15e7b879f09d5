// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// keyServer serves an issuer's key set and counts how often it is touched.
func keyServer(t testing.TB, i *issuer) (url string, connections, fetches *atomic.Int64) {
	connections, fetches = new(atomic.Int64), new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_, _ = w.Write(i.jwks)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, connections, fetches
}

func (s setup) config(t testing.TB) *caddy.Config {
	t.Helper()
	adapted, err := adapt(s.caddyfile(t.TempDir() + "/caddy.sock"))
	if err != nil {
		t.Fatal(err)
	}
	return decode[*caddy.Config](t, []byte(adapted))
}

// `caddy validate` and rejected reloads provision too.
func TestProvisionTouchesNothing(t *testing.T) {
	url, connections, _ := keyServer(t, newIssuer(t))
	before := goleak.IgnoreCurrent()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	app := &App{Issuers: []Issuer{{Issuer: issuerName, JWKSURL: url}, {Issuer: url}}}
	if err := app.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
	if err := app.Cleanup(); err != nil {
		t.Error(err)
	}
	cancel()
	goleak.VerifyNone(t, before)
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestValidateTouchesNothing(t *testing.T) {
	url, connections, _ := keyServer(t, newIssuer(t))
	if err := caddy.Validate(setup{keys: "jwks_url " + url, app: policyOn}.config(t)); err != nil {
		t.Fatal(err)
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestStopEndsBackgroundWork(t *testing.T) {
	fetched := make(chan struct{}, 1)
	keys := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched <- struct{}{} }))
	t.Cleanup(keys.Close)
	before := goleak.IgnoreCurrent()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	app := &App{Issuers: []Issuer{{Issuer: issuerName, JWKSURL: keys.URL}}}
	if err := app.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	<-fetched // the fetch begins by itself
	if err := app.Stop(); err != nil {
		t.Error(err)
	}
	if err := app.Cleanup(); err != nil {
		t.Error(err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func expectReplayed(t testing.TB, r *http.Request) {
	t.Helper()
	answer := send(t, r)
	expectStatus(t, answer, http.StatusUnauthorized)
	if challenge := answer.Header().Get("Www-Authenticate"); !strings.Contains(challenge, `error="invalid_dpop_proof"`) {
		t.Fatalf("challenge %q", challenge)
	}
}

// A configuration that is refused, at whatever stage, takes nothing with it.
func TestRejectedConfigurationLeavesTheRunningOneAlone(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	good := setup{issuer: i, app: policyOn}
	good.load(t)
	spent := proven(t, i, device, "/ews")
	nonce := freshNonce(t)
	expectStatus(t, send(t, spent.Clone(t.Context())), http.StatusOK)
	app := running(t)
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupied.Close()

	broken := map[string]func(*setup){
		"adapting":                    func(s *setup) { s.app += "\nunknown" },
		"provisioning the app":        func(s *setup) { s.keys = "jwks_file /nonexistent/keys.json" },
		"provisioning the app, later": func(s *setup) { s.app += "\nproof {\n\tnonce_secret {file./nonexistent}\n}" },
		"provisioning a site":         func(s *setup) { s.site = "token_protection exchange\n\t@x expression `(((`\n\trespond @x in" },
		"provisioning another site":   func(s *setup) { s.sites = "http://x.example {\n\ttls /nonexistent.pem /nonexistent.key\n}" },
		"starting the app":            func(s *setup) { s.app = strings.Replace(policyOn, "resources exchange", "resources exchnge", 1) },
		"starting the server": func(s *setup) {
			s.sites = "http://" + occupied.Addr().String() + " {\n\tbind 127.0.0.1\n\trespond x\n}"
		},
	}
	for name, breakIt := range broken {
		bad := good
		breakIt(&bad)
		if err := bad.try(t); err == nil {
			t.Fatalf("%s: the configuration loads", name)
		} else if strings.Contains(err.Error(), "secret") && strings.Contains(err.Error(), "bbbb") {
			t.Errorf("%s: %v", name, err)
		}
		if running(t) != app || live.latest() != app {
			t.Fatalf("%s: another app is in charge", name)
		}
		expectReplayed(t, spent.Clone(t.Context()))
		if len(gather(t)) == 0 {
			t.Errorf("%s: no metrics", name)
		}
	}
	for range 3 {
		if err := caddy.Validate(good.config(t)); err != nil {
			t.Fatal(err)
		}
		expectReplayed(t, spent.Clone(t.Context()))
	}
	expectStatus(t, send(t, withNonce(t, i, device, nonce)), http.StatusOK)
}

func withNonce(t testing.TB, i *issuer, device *client.Key, nonce string) *http.Request {
	t.Helper()
	token := i.token(t, confirmedBy(device))
	proof, err := device.Proof(client.Proof{URL: "http://" + siteName + "/ews", AccessToken: token, Nonce: nonce})
	if err != nil {
		t.Fatal(err)
	}
	r := request("/ews", "DPoP "+token)
	r.Header.Set("Dpop", proof)
	return r
}

func TestReloadKeepsWhatIsRemembered(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	url, _, fetches := keyServer(t, i)
	s := setup{keys: "jwks_url " + url, app: policyOn}
	s.load(t)
	spent := proven(t, i, device, "/ews")
	expectStatus(t, send(t, spent.Clone(t.Context())), http.StatusOK)
	before, nonce := running(t), freshNonce(t)

	s.app += "\nsign_in_log {\n\tinterval 1m\n}" // something else changes
	s.load(t)
	after := running(t)
	if after == before {
		t.Fatal("nothing was reloaded")
	}
	expectReplayed(t, spent)
	expectStatus(t, send(t, withNonce(t, i, device, nonce)), http.StatusOK)
	if after.replay != before.replay || after.verified != before.verified || after.keys != before.keys || after.keySets[0] != before.keySets[0] {
		t.Error("state was not handed over")
	}
	if n := fetches.Load(); n != 1 {
		t.Errorf("the key set was fetched %d times", n)
	}
	if live.latest() != after {
		t.Error("the metrics show the former app")
	}
}

// A replay set of another size begins empty: whatever may have been spent
// before needs a nonce that is younger.
func TestChangedReplaySetForgetsNothingSilently(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	for name, change := range map[string]string{
		"max_entries": "replay memory {\n\tmax_entries 5000\n}", "max_per_key": "replay memory {\n\tmax_per_key 50\n}",
		"max_age": "proof {\n\tmax_age 2m\n}", "clock_skew": "proof {\n\tclock_skew 0\n}",
	} {
		s := setup{issuer: i, app: policyOn}
		s.load(t)
		spent := proven(t, i, device, "/ews")
		expectStatus(t, send(t, spent.Clone(t.Context())), http.StatusOK)
		former := running(t).replay
		reloaded := time.Now()
		s.app += "\n" + change
		s.load(t)
		replay := running(t).replay
		if replay == former {
			t.Fatalf("%s: the set is the former one", name)
		}
		if watermark := replay.Stats().Watermark; watermark.Before(reloaded) {
			t.Errorf("%s: the watermark %v is older than the reload at %v", name, watermark, reloaded)
		}
		answer := send(t, spent)
		expectStatus(t, answer, http.StatusUnauthorized)
		if challenge := answer.Header().Get("Www-Authenticate"); !strings.Contains(challenge, `error="use_dpop_nonce"`) {
			t.Errorf("%s: challenge %q", name, challenge)
		}
		expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	}
}

// The tokens that a removed issuer minted stop working although they are cached.
func TestReloadForgetsRemovedTrust(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	s := setup{issuer: i, app: policyOn}
	s.load(t)
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	s.keys = "jwks_file " + i.file + "\n\t\t\talgorithms RS256"
	s.load(t)
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusUnauthorized)
}

func TestNonceSecrets(t *testing.T) {
	const first, second = "first-secret-first-secret-first-secret", "second-secret-second-secret-second-secret"
	t.Setenv("NONCE_SECRET", first)
	file := t.TempDir() + "/secret"
	if err := os.WriteFile(file, []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	i, device := newIssuer(t), newDevice(t)
	load := func(secrets string) {
		setup{issuer: i, app: policyOn + "\nproof {\n\tnonce required\n\tnonce_secret " + secrets + "\n}"}.load(t)
	}
	load("{env.NONCE_SECRET}")
	old := freshNonce(t)
	load("{file." + file + "} " + first) // the next secret issues, the former is still accepted
	expectStatus(t, send(t, withNonce(t, i, device, old)), http.StatusOK)
	fresh := freshNonce(t)
	load(second)
	expectStatus(t, send(t, withNonce(t, i, device, fresh)), http.StatusOK)
	expectStatus(t, send(t, withNonce(t, i, device, old)), http.StatusUnauthorized)
	expectStatus(t, send(t, withNonce(t, i, device, "")), http.StatusUnauthorized)

	t.Setenv("NONCE_SECRET", "too-short-hunter2")
	for _, secrets := range []string{"{env.NONCE_SECRET}", "{env.NONCE_SECRET_THAT_IS_NOT_SET}", first + " {file./nonexistent}"} {
		s := setup{issuer: i, app: policyOn + "\nproof {\n\tnonce_secret " + secrets + "\n}"}
		err := s.try(t)
		if err == nil {
			t.Errorf("%s: accepted", secrets)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), first) {
			t.Errorf("%s: a secret in %v", secrets, err)
		}
	}
}

// The pool's values must not be destroyed by those that did not take them.
func TestHoldsReleaseOnlyWhatTheyTook(t *testing.T) {
	var one, other, none holds
	create := func() (*int, error) { return new(int), nil }
	first, err := take(&one, "test key", create)
	if err != nil {
		t.Fatal(err)
	}
	if err := none.release(); err != nil {
		t.Error(err)
	}
	second, err := take(&other, "test key", create)
	if err != nil || second != first {
		t.Fatalf("%v, %v", second == first, err)
	}
	for range 2 { // the second time there is nothing left to give back
		if err := one.release(); err != nil {
			t.Error(err)
		}
	}
	if references, exists := pool.References("test key"); !exists || references != 1 {
		t.Errorf("%d references", references)
	}
	if _, err := take(&none, "broken", func() (*int, error) { return nil, os.ErrNotExist }); err == nil || len(none) != 0 {
		t.Errorf("%v, %v", err, none)
	}
	if err := other.release(); err != nil {
		t.Error(err)
	}
	if _, exists := pool.References("test key"); exists {
		t.Error("the last release left the value in the pool")
	}
}
