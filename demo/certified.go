// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/client"
)

// certified is a device with a client certificate and a token for Exchange
// that is bound to one (RFC 8705, section 3), its own unless it is a thief.
type certified struct {
	token  string
	client *http.Client // shows the certificate
}

// newCertified makes dave's device, and the thief who has his token.
func (c *cast) newCertified(ctx context.Context, user string) error {
	own, err := selfSigned(user)
	if err != nil {
		return err
	}
	others, err := selfSigned("thief")
	if err != nil {
		return err
	}
	hash := sha256.Sum256(own.Certificate[0])
	request := c.tokenRequest(user, c.Exchange)
	request.Form.Set("x5t", encode(hash[:]))
	granted, err := client.RequestUnboundToken(ctx, request)
	if err != nil {
		return fmt.Errorf("token for %s's certificate: %w", user, err)
	}
	c.dave = &certified{granted.AccessToken, c.showing(own)}
	c.daveThief = &certified{granted.AccessToken, c.showing(others)}
	return nil
}

// showing returns an HTTP client that shows a certificate to whoever asks for one.
func (c *cast) showing(certificate tls.Certificate) *http.Client {
	own := *c.plain
	base := own.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	if transport, ok := base.(*http.Transport); ok {
		transport = transport.Clone()
		if transport.TLSClientConfig == nil {
			transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
		own.Transport = transport
	}
	return &own
}

// leave closes the connections that were made for the scenario alone.
func (c *cast) leave() {
	c.dave.client.CloseIdleConnections()
	c.daveThief.client.CloseIdleConnections()
}

// selfSigned makes a client certificate. Nobody has to vouch for it: a token
// is bound to this very certificate (RFC 8705, section 6.2).
func selfSigned(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// withCertificate presents the token as Bearer over a connection with the
// certificate.
func withCertificate(who func(*cast) *certified, url func(*cast) string) func(context.Context, *cast) (result, error) {
	return func(ctx context.Context, c *cast) (result, error) {
		device := who(c)
		return c.send(ctx, device.client, http.MethodGet, url(c), nil, http.Header{"Authorization": {"Bearer " + device.token}})
	}
}
