// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// x1 and x2 are the corpus's client certificates of one authority.
var (
	x1 = sync.OnceValue(func() harness.Identity { return harness.NewIdentity(device) })
	x2 = sync.OnceValue(func() harness.Identity { return harness.NewIdentity("another-device") })
)

// device is the id of the device that x1 was issued to.
const device = "5c0b1d0e-6b5f-4a51-9d0e-2f1c8b7a6d11"

// mtlsCases are about client certificates (RFC 8705).
var mtlsCases = map[string]play{
	"MTLS-001": {send: func(s *stage) []harness.Response {
		var responses []harness.Response
		for _, protocol := range harness.Protocols {
			visitor := s.server.Visitor(s, protocol, harness.As(x1()))
			for _, scheme := range []string{"Bearer ", "bearer ", "mtls_pop "} {
				responses = append(responses, visitor.Do(s, harness.Request{Path: path, Header: http.Header{"Authorization": {scheme + s.certificateBound(x1())}}}))
			}
		}
		return responses
	}},
	"MTLS-003": {reason: "certificate_missing", code: 1008, send: func(s *stage) []harness.Response {
		return s.overAll(bearer(s.certificateBound(x1())))
	}},
	"MTLS-004": {reason: "key_mismatch", send: func(s *stage) []harness.Response {
		return s.overAll(bearer(s.certificateBound(x1())), harness.As(x2()))
	}},
	"MTLS-008": spoofing("X-Ssl-Client-Cert", "X-Client-Cert", "X-Arr-Clientcert", "Ssl-Client-Cert", "Ssl_client_cert"),
	"MTLS-009": spoofing("Client-Cert", "Client-Cert-Chain"),
	"MTLS-010": {reason: "certificate_missing", code: 1008, send: func(s *stage) []harness.Response {
		var responses []harness.Response
		for _, names := range [][]string{{"X-Forwarded-Client-Cert"}, {"x_client_cert"}, {"X-Client.Cert"}, {"X-Client-Cert", "x-client-cert", "X-CLIENT-CERT"}} {
			header := bearer(s.certificateBound(x1()))
			for _, name := range names {
				header[name] = []string{spellings(x1())["X-Forwarded-Client-Cert"]}
			}
			responses = append(responses, s.server.Do(s, harness.HTTP1, harness.Request{Path: path, Header: header}))
		}
		return responses
	}},
	// In mode `request` the handshake passes, and the token's device claim is
	// not proved; what the other modes do is in TestClientAuthentication.
	"MTLS-014": {reason: "certificate_untrusted", send: func(s *stage) []harness.Response {
		return s.overAll(bearer(s.deviceToken(device)), harness.As(harness.SelfSigned(device)))
	}},
	"MTLS-015": {
		reason: "certificate_untrusted",
		send: func(s *stage) []harness.Response {
			var responses []harness.Response
			for _, change := range []func(*x509.Certificate){
				func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
				func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) },
				func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
			} { // revocation lists are not read; the device directory disables devices
				responses = append(responses, s.overAll(bearer(s.deviceToken(device)), harness.As(harness.NewIdentity(device, change)))...)
			}
			return responses
		},
	},
	"MTLS-019": {send: func(s *stage) []harness.Response {
		public := func(config *tls.Config) { config.ServerName = "public.example" }
		return append(s.overAll(bearer(s.certificateBound(x1())), public),
			s.overAll(bearer(s.certificateBound(x1())), public, harness.As(x1()))...)
	}},
	"MTLS-021": {reason: "certificate_missing", code: 1008, send: func(s *stage) []harness.Response {
		request := harness.Request{Path: path, Header: bearer(s.certificateBound(x1()))}
		wildcard := s.server.Visitor(s, harness.HTTP3, func(config *tls.Config) { config.ServerName = "*.example" })
		if got, err := wildcard.Try(request); err == nil {
			s.Errorf("SNI *.example: answer %d, expected a TLS alert", got.Status)
		}
		mixed := s.server.Visitor(s, harness.HTTP3, func(config *tls.Config) { config.ServerName = "MAIL.example" })
		// The default key share of 1,216 octets (ML-KEM) spreads a ClientHello
		// over two packets of QUIC; over TCP it takes a connection that does.
		fragmented := s.server.Fragmenting(s)
		return []harness.Response{mixed.Do(s, request), fragmented.Do(s, request)}
	}},
	"MTLS-024": {reason: "scheme_mismatch", code: 1008, send: func(s *stage) []harness.Response {
		token := s.certificateBound(x1())
		proof := s.proof(nil)
		proof.Token = token
		return one(s.get(harness.Credentials(token, proof.Sign())))
	}},
}

// spoofing sends x1 without its key, in headers as terminators forward it.
func spoofing(names ...string) play {
	forged := func(header http.Header) http.Header {
		for _, name := range names {
			header[name] = []string{spellings(x1())[name]}
		}
		return header
	}
	return play{
		reason: "certificate_missing", code: 1008,
		send: func(s *stage) []harness.Response { return s.overAll(forged(bearer(s.certificateBound(x1())))) },
		must: []func(*stage, harness.Response){func(s *stage, _ harness.Response) {
			visitor := s.server.Visitor(s, harness.HTTP1, harness.As(x2()))
			passed := s.passes(visitor.Do(s, harness.Request{Path: path, Header: forged(bearer(s.certificateBound(x2())))}))
			for _, name := range names {
				if got := passed.Arrivals()[0].Header.Values(name); len(got) > 0 {
					s.Errorf("the backend saw %s", name)
				}
			}
		}},
	}
}

// spellings are a certificate as terminators write it, by header.
func spellings(identity harness.Identity) map[string]string {
	der := base64.StdEncoding.EncodeToString(identity.DER())
	urlPEM := url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: identity.DER()})))
	return map[string]string{
		"Client-Cert": ":" + der + ":", "Client-Cert-Chain": ":" + der + ":", "X-Arr-Clientcert": der, "X-Client-Cert": der,
		"X-Ssl-Client-Cert": urlPEM, "Ssl-Client-Cert": urlPEM, "Ssl_client_cert": urlPEM, "X-Forwarded-Client-Cert": `By=spiffe://mesh;Cert="` + urlPEM + `"`,
		"X-Forwarded-Tls-Client-Cert": url.QueryEscape(der),
	}
}

// certificateBound is a token that is bound to a certificate.
func (s *stage) certificateBound(identity harness.Identity) string {
	return s.Issuer.Mint(identity.Confirmation())
}

// deviceToken is a token without a confirmation that names a device.
func (s *stage) deviceToken(device string) string {
	return s.Issuer.Mint(harness.Object{"deviceid": strings.ToUpper(device)})
}

// overAll sends GET /api/x over each version of HTTP.
func (s *stage) overAll(header http.Header, changes ...func(*tls.Config)) []harness.Response {
	s.Helper()
	var responses []harness.Response
	for _, protocol := range harness.Protocols {
		responses = append(responses, s.server.Visitor(s, protocol, changes...).Do(s, harness.Request{Path: path, Header: header}))
	}
	return responses
}
