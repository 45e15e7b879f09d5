// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// The files that WriteCertificates makes.
const (
	// AuthorityFile has the certificate of the demo's certificate authority, to be
	// trusted by the proxy and the devices (SSL_CERT_FILE).
	AuthorityFile = "ca.pem"
	// CertificateFile and PrivateKeyFile are for every TLS server of the demo.
	CertificateFile = "server.pem"
	PrivateKeyFile  = "server-key.pem"
)

// certificateLife is how long the demo's certificates are valid, and
// certificateReserve what must be left of that for them to be used again.
const (
	certificateLife    = 30 * 24 * time.Hour
	certificateReserve = 24 * time.Hour
)

// WriteCertificates makes a certificate authority and one server certificate for
// hosts and localhost, and writes them to directory. Certificates of an earlier
// run that still serve are kept. The authority's private key is kept nowhere.
func WriteCertificates(directory string, hosts ...string) error {
	hosts = append([]string{"localhost"}, hosts...)
	if certificatesServe(directory, hosts, time.Now()) {
		return nil
	}
	if err := makeCertificates(directory, hosts, time.Now()); err != nil {
		return fmt.Errorf("demo certificates: %w", err)
	}
	return nil
}

// certificatesServe reports whether the files are there, belong together, are
// good for all hosts, and for some time yet.
func certificatesServe(directory string, hosts []string, now time.Time) bool {
	authority, err := os.ReadFile(filepath.Join(directory, AuthorityFile))
	if err != nil {
		return false
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(directory, CertificateFile), filepath.Join(directory, PrivateKeyFile))
	if err != nil || pair.Leaf == nil {
		return false
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	for _, host := range hosts {
		options := x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now.Add(certificateReserve)}
		if _, err := pair.Leaf.Verify(options); err != nil {
			return false
		}
	}
	return true
}

func makeCertificates(directory string, hosts []string, now time.Time) error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Token protection demo authority"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(certificateLife),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	if authority, err = x509.ParseCertificate(authorityDER); err != nil {
		return err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[len(hosts)-1]},
		DNSNames:    hosts,
		NotBefore:   authority.NotBefore,
		NotAfter:    authority.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	serverKeyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name, kind string
		der        []byte
	}{
		{PrivateKeyFile, "PRIVATE KEY", serverKeyDER},
		{CertificateFile, "CERTIFICATE", serverDER},
		{AuthorityFile, "CERTIFICATE", authorityDER},
	} {
		document := pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der})
		if err := os.WriteFile(filepath.Join(directory, file.name), document, 0o600); err != nil {
			return err
		}
	}
	return nil
}
