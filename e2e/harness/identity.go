// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// authority issues certificates to devices.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string // PEM
}

// deviceAuthority is the one that servers can be told to trust.
var deviceAuthority = sync.OnceValues(func() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Device authority"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, file: filepath.Join(workspace, "device-authority.crt")}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
})

// Identity is a client certificate with its key.
type Identity struct{ tls.Certificate }

// NewIdentity makes a certificate of the device authority for the device with
// the id, good for client authentication, with changes to the template.
func NewIdentity(device string, changes ...func(*x509.Certificate)) Identity {
	issuer := must(deviceAuthority())
	template, key := identity(device, changes)
	return Identity{tls.Certificate{
		Certificate: [][]byte{must(x509.CreateCertificate(rand.Reader, template, issuer.certificate, key.Public(), issuer.key))},
		PrivateKey:  key,
	}}
}

// SelfSigned is NewIdentity for a certificate that nobody else has issued.
func SelfSigned(device string) Identity {
	template, key := identity(device, nil)
	return Identity{tls.Certificate{
		Certificate: [][]byte{must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))},
		PrivateKey:  key,
	}}
}

func identity(device string, changes []func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	template := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))), Subject: pkix.Name{CommonName: device},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, change := range changes {
		change(template)
	}
	return template, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// DER is the certificate.
func (i Identity) DER() []byte { return i.Certificate.Certificate[0] }

// Confirmation names the certificate (RFC 8705, section 3.1), for Mint.
func (i Identity) Confirmation() Object {
	hash := sha256.Sum256(i.DER())
	return Object{"cnf": Object{"x5t#S256": B64(hash[:])}}
}
