// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Names that the tokens, the proofs and the configurations agree on. All
// servers are addressed by the same public URL, so that the very same request
// can go to each of them.
const (
	issuerURL = "https://login.contoso.example"
	origin    = "https://mail.contoso.example"
	host      = "mail.contoso.example"
	path      = "/owa/service.svc"
	agent     = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)"
)

// issuer signs access tokens.
type issuer struct{ key *ecdsa.PrivateKey }

// newIssuer makes an issuer and writes into folder what servers need to know:
// its key as jwks.json and issuer.pem, and a certificate for the public URL.
func newIssuer(folder string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	keySet, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "kid": "bench", "use": "sig", "alg": "ES256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{
		"jwks.json":  keySet,
		"issuer.pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"tls.key":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"tls.crt":    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	return &issuer{key}, nil
}

// token signs a new access token for a user, with this confirmation. It is as
// long as Entra's are for a user with a few groups.
func (i *issuer) token(user int, confirmation confirmation) (string, error) {
	now := time.Now()
	groups := []string{"pilot"}
	for g := range 12 {
		groups = append(groups, fmt.Sprintf("00000000-0000-4000-8000-%012d", user*12+g))
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": issuerURL, "aud": origin, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(4 * time.Hour).Unix(),
		"oid": fmt.Sprintf("00000000-0000-4000-9000-%012d", user), "sub": rand.Text(), "jti": rand.Text(),
		"upn": fmt.Sprintf("user%d@contoso.example", user), "client_id": "d3590ed6-52b3-4102-aeff-aad2292ab01c",
		"deviceid": fmt.Sprintf("00000000-0000-4000-a000-%012d", user), "groups": groups,
		"scp": strings.Join([]string{"Mail.ReadWrite", "Calendars.ReadWrite"}, " "),
		"cnf": confirmation,
	})
	token.Header["typ"], token.Header["kid"] = "at+jwt", "bench"
	return token.SignedString(i.key)
}
