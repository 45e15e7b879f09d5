// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// identity is a certificate that vouches for itself, with its key.
type identity struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newIdentity(t testing.TB, name string) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return identity{certificate, key}
}

// files writes certificate and key as PEM.
func (i identity) files(t testing.TB) (certificate, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	certificate, key = filepath.Join(directory, "certificate.pem"), filepath.Join(directory, "key.pem")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: i.certificate.Raw}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// confirmed is a confirmation of the certificate (RFC 8705, section 3.1).
func (i identity) confirmed() jwt.MapClaims {
	hash := sha256.Sum256(i.certificate.Raw)
	return jwt.MapClaims{"cnf": map[string]string{"x5t#S256": base64.RawURLEncoding.EncodeToString(hash[:])}}
}

// field is the certificate in the header Client-Cert (RFC 9440, section 2.1).
func (i identity) field() string {
	return ":" + base64.StdEncoding.EncodeToString(i.certificate.Raw) + ":"
}

// over makes the request come over a connection with this client certificate.
func (i identity) over(r *http.Request) *http.Request {
	r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: siteName, PeerCertificates: []*x509.Certificate{i.certificate}}
	return r
}

// from makes the request come from a peer.
func from(r *http.Request, address string) *http.Request {
	r.RemoteAddr = address + ":40000"
	return r
}

func withField(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

const behindTerminators = `
	token_protection exchange {
		audience https://mail.contoso.example
		mtls {
			forwarded rfc9440 {
				from 192.0.2.0/24 2001:db8::1
			}
			forwarded base64_der {
				header  x-device-cert
				from    198.51.100.7
				require X-Device-Verified yes
			}
		}
		FORWARD
	}
	reverse_proxy BACKEND`

// RFC 8705, section 3, and RFC 9440, section 4: the certificate is that of the
// connection, or what a configured terminator says, and from nobody else.
func TestCertificateBoundTokensNeedTheirCertificate(t *testing.T) {
	i, b := newIssuer(t), newBackend(t)
	setup{issuer: i, app: policyOn, site: strings.NewReplacer("BACKEND", b.address, "FORWARD", "forward bearer").Replace(behindTerminators)}.load(t)
	device, other := newIdentity(t, "device-1"), newIdentity(t, "device-1")
	token := i.token(t, device.confirmed())
	bearer := func() *http.Request { return request("/ews", "Bearer "+token) }
	der := base64.StdEncoding.EncodeToString(device.certificate.Raw)
	const terminator, second, elsewhere = "192.0.2.9", "198.51.100.7", "203.0.113.1"
	for _, test := range []struct {
		rule    string
		request *http.Request
		status  int
	}{
		{"over its connection", device.over(from(bearer(), elsewhere)), 200},
		{"as mtls_pop", device.over(from(request("/ews", "mtls_pop "+token), elsewhere)), 200},
		{"without", from(bearer(), elsewhere), 401},
		{"with another", other.over(from(bearer(), elsewhere)), 401},
		{"forwarded by the terminator", withField(from(bearer(), terminator), "Client-Cert", device.field()), 200},
		{"forwarded from elsewhere", withField(from(bearer(), elsewhere), "Client-Cert", device.field()), 401},
		{"the terminator's own does not count", device.over(from(bearer(), terminator)), 401},
		{"another beside the terminator's own", withField(device.over(from(bearer(), terminator)), "Client-Cert", other.field()), 401},
		{"malformed by the terminator", withField(from(bearer(), terminator), "Client-Cert", "x"), 400},
		{"in the header of the other terminator", withField(withField(from(bearer(), terminator), "X-Device-Cert", der), "X-Device-Verified", "yes"), 401},
		{"forwarded by the other terminator", withField(withField(from(bearer(), second), "X-Device-Cert", der), "X-Device-Verified", "yes"), 200},
		{"not verified by it", withField(withField(from(bearer(), second), "X-Device-Cert", der), "X-Device-Verified", "no"), 401},
		{"a proxy's word for the peer does not count", withField(withField(from(bearer(), elsewhere), "Client-Cert", device.field()), "X-Forwarded-For", terminator), 401},
	} {
		t.Run(test.rule, func(t *testing.T) {
			answer := send(t, test.request)
			expectStatus(t, answer, test.status)
			if test.status == http.StatusOK {
				if got := b.received(t).Get("Authorization"); got != "Bearer "+token {
					t.Errorf("the backend got %.20q, want the token as Bearer", got)
				}
			}
		})
	}
}

// Contract, "Toward the backend": what a terminator says of certificates goes
// on, and what anybody else says does not.
func TestForwardedCertificatesReachTheBackendFromTheirTerminatorAlone(t *testing.T) {
	i, device, b := newIssuer(t), newDevice(t), newBackend(t)
	setup{issuer: i, app: policyOn, site: strings.NewReplacer("BACKEND", b.address, "FORWARD", "").Replace(behindTerminators)}.load(t)
	all := []string{"Client-Cert", "Client-Cert-Chain", "X-Device-Cert", "X-Device-Verified", "X-Forwarded-Client-Cert", "X-Ssl-Client-Cert"}
	for peer, kept := range map[string][]string{
		"192.0.2.9":    {"Client-Cert", "Client-Cert-Chain"},
		"198.51.100.7": {"X-Device-Cert", "X-Device-Verified"},
		"203.0.113.1":  nil,
	} {
		r := from(proven(t, i, device, "/ews"), peer)
		for _, name := range all {
			r.Header.Set(name, "x")
		}
		expectStatus(t, send(t, r), http.StatusOK)
		got := b.received(t)
		for _, name := range all {
			if passed := got[name] != nil; passed != slices.Contains(kept, name) {
				t.Errorf("from %s: %s reaches the backend: %v", peer, name, passed)
			}
		}
	}
}

// A device certificate proves the device claim; without one even a token
// without cnf is bound, and refused.
func TestDeviceCertificates(t *testing.T) {
	device, another := newIdentity(t, "device-1"), newIdentity(t, "device-2")
	authority, _ := device.files(t)
	other, _ := another.files(t)
	i, b := newIssuer(t), newBackend(t)
	site := strings.Replace(proxiedTo(b, ""), "audience", "mtls {\ndevice_certificate {\nca "+authority+" "+other+"\n}\n}\naudience", 1)
	setup{issuer: i, app: policyOn, site: site}.load(t)
	bearer := func() *http.Request { return request("/ews", "Bearer "+i.token(t, nil)) }
	expectStatus(t, send(t, device.over(bearer())), http.StatusOK)
	if got := b.received(t); got.Get("X-Scheme") != "mtls" || got.Get("X-Status") != "bound" {
		t.Errorf("scheme %q, status %q", got.Get("X-Scheme"), got.Get("X-Status"))
	}
	for rule, r := range map[string]*http.Request{
		"none": bearer(), "of another device": another.over(bearer()), "of no authority of ours": newIdentity(t, "device-1").over(bearer()),
	} {
		answer := send(t, r)
		expectStatus(t, answer, http.StatusUnauthorized)
		if lines := answer.Header()["Www-Authenticate"]; len(lines) != 1 || !strings.HasPrefix(lines[0], `Bearer error="invalid_token"`) {
			t.Errorf("%s: challenges %q", rule, lines)
		}
	}
}
