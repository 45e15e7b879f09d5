// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// confirmation is a token's cnf claim (RFC 7800).
type confirmation map[string]string

// binding says what a token for the key's owner confirms.
type binding func(*client.Key) confirmation

// byThumbprint binds tokens to keys for DPoP (RFC 9449, section 6.1).
func byThumbprint(key *client.Key) confirmation { return confirmation{"jkt": key.Thumbprint()} }

// byKeyID binds tokens to keys for signed HTTP requests, as Entra does.
func byKeyID(key *client.Key) confirmation { return confirmation{"kid": key.Thumbprint()} }

// byCertificate binds all tokens to one client certificate (RFC 8705, section
// 3.1): connections stay open, and each has one certificate.
func byCertificate(certificate tls.Certificate) binding {
	thumbprint := sha256.Sum256(certificate.Certificate[0])
	return func(*client.Key) confirmation {
		return confirmation{"x5t#S256": base64.RawURLEncoding.EncodeToString(thumbprint[:])}
	}
}

// newClientCertificate makes a certificate that nobody vouches for: the token
// says whose it is.
func newClientCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}, err
}

// signedRequests makes requests that are signed themselves, a new one each.
func (f *fleet) signedRequests(n int) (before, requests []request, err error) {
	requests, err = f.turn(n, func(d device) (request, error) {
		signed, err := d.key.SignedRequest(client.SignedRequest{URL: origin + path, AccessToken: d.token})
		return request{authorization: "PoP " + signed, want: http.StatusOK}, err
	})
	return nil, requests, err
}

// bearers makes requests whose proof is the connection's client certificate.
func (f *fleet) bearers(n int) (before, requests []request, err error) {
	requests, err = f.turn(n, func(d device) (request, error) {
		return request{authorization: "Bearer " + d.token, want: http.StatusOK}, nil
	})
	return nil, requests, err
}
