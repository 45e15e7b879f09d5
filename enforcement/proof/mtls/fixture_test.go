// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"testing"
	"time"
)

var now = time.Unix(1800000000, 0)

// pki is a device authority with one intermediate.
type pki struct {
	root, intermediate       *x509.Certificate
	rootKey, intermediateKey *ecdsa.PrivateKey
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := new(pki)
	p.root, p.rootKey = issue(t, nil, nil, func(c *x509.Certificate) { authority(c, "Device CA") })
	p.intermediate, p.intermediateKey = issue(t, p.root, p.rootKey, func(c *x509.Certificate) { authority(c, "Issuing CA") })
	return p
}

func authority(c *x509.Certificate, name string) {
	c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid = name, true, true
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
}

// device issues a client certificate.
func (p *pki) device(t *testing.T, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	certificate, _ := issue(t, p.intermediate, p.intermediateKey, change)
	return certificate
}

func issue(t *testing.T, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "d1"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// overTLS is a request whose connection presented the certificates.
func overTLS(certificates ...*x509.Certificate) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://mail.example/x", nil)
	r.RemoteAddr = "192.0.2.1:1234"
	r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: certificates}
	return r
}

func byteSequence(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

func urlPEM(certificates ...*x509.Certificate) string {
	text := ""
	for _, c := range certificates {
		text += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return url.PathEscape(text)
}

func terminator(t *testing.T, f Forwarding, devices *Devices) *Verifier {
	t.Helper()
	f.From = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	v, err := New(Config{Forwarded: []Forwarding{f}, Devices: devices})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func vector(t *testing.T, name string, into any) {
	t.Helper()
	document, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, into); err != nil {
		t.Fatal(err)
	}
}
