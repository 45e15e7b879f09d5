// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Issuer is an authorization server on loopback: metadata (RFC 8414) and a
// key set. It has an ES256 key and an RS256 key.
type Issuer struct {
	URL     string
	EC, RSA Key

	mu      sync.Mutex
	ids     [2]string // kid of EC and RSA
	answer  func(w http.ResponseWriter, keySet []byte)
	fetches int // of the key set
}

// rsaKey serves as every issuer's RSA key, as making one takes long.
var rsaKey = sync.OnceValue(func() Key { return NewKey("RS256") })

// NewIssuer starts an issuer that ends with the test.
func NewIssuer(t testing.TB) *Issuer {
	i := &Issuer{RSA: rsaKey()}
	i.Rotate()
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Rotate replaces the ES256 key; both keys get new ids.
func (i *Issuer) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.EC, i.ids = NewKey("ES256"), [2]string{"ec-" + rand.Text()[:6], "rsa-" + rand.Text()[:6]}
}

// Answer makes the key set's answer another one: nil is the proper one, Down
// and Garbage are others, and a function may be slow or write what it likes.
func (i *Issuer) Answer(answer func(w http.ResponseWriter, keySet []byte)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

// Down is an answer of an issuer that is out of order.
func Down(w http.ResponseWriter, _ []byte) { w.WriteHeader(http.StatusServiceUnavailable) }

// Garbage is an answer that is not a key set.
func Garbage(w http.ResponseWriter, _ []byte) { _, _ = w.Write([]byte("<html>hello</html>")) }

// Fetches is how often the key set was asked for.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// KeyID is the kid of the current ES256 key.
func (i *Issuer) KeyID() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ids[0]
}

// ServeHTTP serves metadata and key set.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		_ = json.NewEncoder(w).Encode(Object{"issuer": i.URL, "jwks_uri": i.URL + "/jwks"})
	case "/jwks":
		i.mu.Lock()
		i.fetches++
		keySet, answer := i.keySet(), i.answer
		i.mu.Unlock()
		if answer != nil {
			answer(w, keySet)
			return
		}
		_, _ = w.Write(keySet)
	default:
		http.NotFound(w, r)
	}
}

func (i *Issuer) keySet() []byte {
	return encode(Object{"keys": []Object{
		With(i.EC.JWK(), Object{"kid": i.ids[0], "use": "sig", "alg": "ES256"}),
		With(i.RSA.JWK(), Object{"kid": i.ids[1], "use": "sig"}),
	}})
}

// Header is the JOSE header of this issuer's access tokens (RFC 9068).
func (i *Issuer) Header() Object {
	return Object{"typ": "at+jwt", "alg": "ES256", "kid": i.KeyID()}
}

// RSAHeader is Header for a token signed with the RSA key.
func (i *Issuer) RSAHeader() Object {
	i.mu.Lock()
	defer i.mu.Unlock()
	return Object{"typ": "at+jwt", "alg": "RS256", "kid": i.ids[1]}
}

// Claims are the claims of an access token for alice, unbound.
func (i *Issuer) Claims() Object {
	now := time.Now().Unix()
	return Object{
		"iss": i.URL, "aud": Origin, "sub": "alice-id", "upn": "alice@contoso.example", "client_id": "outlook",
		"scope": "mail.read", "jti": rand.Text(), "iat": now, "exp": now + 900,
	}
}

// Mint makes an access token of the usual form, with changes to its claims.
func (i *Issuer) Mint(changes Object) string {
	return i.EC.Sign(i.Header(), With(i.Claims(), changes))
}

// BoundTo is the confirmation that names a key, for Mint.
func BoundTo(key Key) Object { return Object{"cnf": Object{"jkt": key.Thumbprint()}} }
