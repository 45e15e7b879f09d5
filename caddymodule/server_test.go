// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenprotection/caddy-token-protection/client"
)

const (
	issuerName = "https://login.contoso.example"
	siteName   = "mail.contoso.example"
)

// issuer mints access tokens that verify with the key set in its file.
type issuer struct {
	key  *ecdsa.PrivateKey
	file string
	jwks []byte
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	jwks := fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":%q,"y":%q}]}`, encode(point[1:33]), encode(point[33:]))
	i := &issuer{key: key, jwks: jwks, file: filepath.Join(t.TempDir(), "keys.json")}
	if err := os.WriteFile(i.file, jwks, 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// token mints a token with the usual claims and those given; nil leaves one out.
func (i *issuer) token(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{
		"iss": issuerName, "aud": "https://" + siteName, "exp": time.Now().Add(time.Hour).Unix(), "jti": "token-1",
		"sub": "subject", "upn": "alice@contoso.example", "oid": "user-1", "deviceid": "device-1", "client_id": "outlook",
	}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	token := jwt.NewWithClaims(jwt.SigningMethodES256, all)
	token.Header["typ"], token.Header["kid"] = "at+jwt", "k1"
	signed, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func newDevice(t testing.TB) *client.Key {
	t.Helper()
	key, err := client.GenerateKey(client.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func confirmedBy(device *client.Key) jwt.MapClaims {
	return jwt.MapClaims{"cnf": map[string]string{"jkt": device.Thumbprint()}}
}

// backend records the last request that reached it.
type backend struct {
	address string
	mu      sync.Mutex
	header  http.Header
	count   int
}

func newBackend(t testing.TB) *backend {
	b := new(backend)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.header, b.count = r.Header.Clone(), b.count+1
		_, _ = io.WriteString(w, "backend")
	}))
	t.Cleanup(server.Close)
	b.address = server.Listener.Addr().String()
	return b
}

// received returns the header of the last request, and forgets it.
func (b *backend) received(t testing.TB) http.Header {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	header := b.header
	if b.header = nil; header == nil {
		t.Fatal("nothing reached the backend")
	}
	return header
}

// setup is a configuration in the making: what goes beside the issuer in the
// global option, into the global options, and into the site.
type setup struct {
	issuer             *issuer
	keys               string // instead of the issuer's file
	app, options, site string
	sites              string // further sites, bound to SOCKET
}

const (
	policyOn = `
		policy Pilot {
			state on
			users {
				include all
				exclude user break-glass
			}
			resources exchange
			client_apps mobile_and_desktop
		}
`
	respond = `
	token_protection exchange {
		audience https://mail.contoso.example
	}
	respond "in {http.token_protection.status}"
`
)

var policyReportOnly = strings.Replace(policyOn, "state on", "state report_only", 1)

func (s setup) caddyfile(socket string) string {
	if s.keys == "" {
		s.keys = "jwks_file " + s.issuer.file
	}
	if s.site == "" {
		s.site = respond
	}
	text := fmt.Sprintf(`
{
	admin off
	persist_config off
	auto_https off
	log default {
		output discard
		exclude token_protection.sign_in
	}
	%s
	token_protection {
		issuer %s {
			%s
		}
		%s
	}
}
http://%s {
	bind unix/SOCKET
	%s
}
%s
`, s.options, issuerName, s.keys, s.app, siteName, s.site, s.sites)
	return strings.ReplaceAll(text, "SOCKET", socket)
}

// load makes Caddy run the configuration, as a reload if it runs one already.
func (s setup) load(t testing.TB) {
	t.Helper()
	if err := s.try(t); err != nil {
		t.Fatal(err)
	}
}

func (s setup) try(t testing.TB) error {
	t.Helper()
	config, err := adapt(s.caddyfile(filepath.Join(t.TempDir(), "caddy.sock")))
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	return caddy.Load([]byte(config), true)
}

// running returns the app that Caddy runs.
func running(t testing.TB) *App {
	t.Helper()
	app, err := caddy.ActiveContext().AppIfConfigured("token_protection")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*App)
}

// send hands a request to the running server.
func send(t testing.TB, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	app.(*caddyhttp.App).Servers["srv0"].ServeHTTP(recorder, r)
	return recorder
}

// request makes a request to the site, with token and scheme if they are given.
func request(path, authorization string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://"+siteName+path, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

// freshNonce returns a nonce that is younger than the watermark, in whose very
// millisecond tests may run.
func freshNonce(t testing.TB) string {
	t.Helper()
	app := running(t)
	for {
		now := time.Now()
		fresh := app.dpop.Memory().Nonce(now)
		stamp, err := app.dpop.Nonces.Check(fresh, now)
		if err != nil {
			t.Fatal(err)
		}
		if !stamp.Issued.Before(app.replay.Stats().Watermark) {
			return fresh
		}
	}
}

// prove adds token and proof to a request. The proof names the URL, and
// carries a nonce, which proofs made right after the start owe.
func prove(t testing.TB, r *http.Request, device *client.Key, token, url string) *http.Request {
	t.Helper()
	proof, err := device.Proof(client.Proof{Method: r.Method, URL: url, AccessToken: token, Nonce: freshNonce(t)})
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", proof)
	return r
}

// proven makes a request that passes.
func proven(t testing.TB, i *issuer, device *client.Key, path string) *http.Request {
	t.Helper()
	return prove(t, request(path, ""), device, i.token(t, confirmedBy(device)), "http://"+siteName+path)
}

func expectStatus(t testing.TB, answer *httptest.ResponseRecorder, status int) {
	t.Helper()
	if answer.Code != status {
		t.Fatalf("status %d, expected %d: %v %s", answer.Code, status, answer.Header(), answer.Body)
	}
}

func decode[T any](t testing.TB, document []byte) (value T) {
	t.Helper()
	if err := json.Unmarshal(document, &value); err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	return value
}
