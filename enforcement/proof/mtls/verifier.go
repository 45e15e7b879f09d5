// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Forwarding says that a TLS terminator in front forwards client certificates.
type Forwarding struct {
	// Encoding is how the certificate is written.
	Encoding Encoding
	// Header is where; empty means where the encoding's product puts it.
	Header string
	// From are the terminator's addresses. A request from any other address is
	// not believed. Required: whoever may connect from there is the terminator.
	From []netip.Prefix
	// RequireHeader and RequireValue name a second header by which the
	// terminator says that it verified the certificate, and what it then
	// holds; empty if it forwards only what it verified.
	RequireHeader, RequireValue string
}

// Config is what a Verifier is made of.
type Config struct {
	// Forwarded lists the terminators in front; without any, only the TLS
	// connection itself counts.
	Forwarded []Forwarding
	// Devices says how a certificate names a device; nil if device claims are
	// not proved by certificates.
	Devices *Devices
}

// Verifier finds and judges client certificates. It is safe for concurrent use.
type Verifier struct {
	forwarded []Forwarding
	devices   *Devices
}

// New checks the configuration and reports all its mistakes.
func New(config Config) (*Verifier, error) {
	v := &Verifier{devices: config.Devices}
	var problems []error
	for _, f := range config.Forwarded {
		if !slices.Contains(Encodings(), f.Encoding) {
			problems = append(problems, fmt.Errorf("forwarded %q: expected one of %v", f.Encoding, Encodings()))
			continue
		}
		if len(f.From) == 0 {
			problems = append(problems, fmt.Errorf("forwarded %s: from is missing; expected the terminator's addresses", f.Encoding))
		}
		if f.Header == "" {
			f.Header = defaultHeaders[f.Encoding]
		}
		f.Header, f.RequireHeader = http.CanonicalHeaderKey(f.Header), http.CanonicalHeaderKey(f.RequireHeader)
		v.forwarded = append(v.forwarded, f)
	}
	return v, errors.Join(problems...)
}

// BindsDevices reports whether certificates prove device claims.
func (v *Verifier) BindsDevices() bool { return v.devices != nil }

// TrustedHeaders returns the header names by which the peer of this request
// may forward a certificate: those must not be removed.
func (v *Verifier) TrustedHeaders(r *http.Request) []string {
	var names []string
	for _, f := range v.trusted(r) {
		names = append(names, f.Header, f.Header+"-Chain", f.RequireHeader)
	}
	return names
}

// trusted are the forwardings whose terminator this request's peer is. The
// peer is the other end of the connection, never what a header says.
func (v *Verifier) trusted(r *http.Request) []Forwarding {
	if len(v.forwarded) == 0 {
		return nil
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil
	}
	address := peer.Addr().Unmap().WithZone("")
	var trusted []Forwarding
	for _, f := range v.forwarded {
		if slices.ContainsFunc(f.From, func(p netip.Prefix) bool { return p.Contains(address) }) {
			trusted = append(trusted, f)
		}
	}
	return trusted
}

// Certificate returns the client's certificate. Behind a trusted terminator
// it is the forwarded one, and the connection's own is the terminator's;
// everywhere else it is the connection's, whatever headers say.
func (v *Verifier) Certificate(r *http.Request) (*Certificate, reason.Reason) {
	if trusted := v.trusted(r); len(trusted) > 0 {
		return forwarded(r.Header, trusted)
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, reason.CertificateMissing
	}
	leaf := r.TLS.PeerCertificates[0]
	return &Certificate{Hash: sha256.Sum256(leaf.Raw), Leaf: leaf, Intermediates: r.TLS.PeerCertificates[1:]}, reason.None
}

func forwarded(header http.Header, trusted []Forwarding) (*Certificate, reason.Reason) {
	var certificate *Certificate
	for _, f := range trusted {
		values := header[f.Header]
		switch {
		case len(values) == 0 || values[0] == "" && len(values) == 1:
			continue
		case len(values) > 1 || certificate != nil: // RFC 9440, section 2.2: a singleton
			return nil, reason.CertificateMalformed
		case f.RequireHeader != "" && !slices.Equal(header[f.RequireHeader], []string{f.RequireValue}):
			return nil, reason.CertificateMissing
		}
		var err error
		if certificate, err = decode(f.Encoding, values[0]); err != nil {
			return nil, reason.CertificateMalformed
		}
		if f.Encoding == RFC9440 {
			if certificate.Intermediates, err = decodeChain(header[f.Header+"-Chain"]); err != nil {
				return nil, reason.CertificateMalformed
			}
		}
	}
	if certificate == nil {
		return nil, reason.CertificateMissing
	}
	return certificate, reason.None
}

// Confirm holds the request's certificate against the token's x5t#S256 (RFC
// 8705, sections 3 and 3.1). Chain and validity do not matter: the binding is
// to the certificate (RFC 8705, section 6.2).
func (v *Verifier) Confirm(r *http.Request, confirmed *[sha256.Size]byte) (proof.Binding, reason.Reason) {
	certificate, why := v.Certificate(r)
	switch {
	case why != reason.None:
		return proof.Binding{}, why
	case subtle.ConstantTimeCompare(certificate.Hash[:], confirmed[:]) != 1:
		return proof.Binding{}, reason.KeyMismatch
	}
	return certificate.binding(), reason.None
}

// ConfirmDevice asks for a certificate that was issued to the device which the
// token names. Issuer, validity and purpose are checked at the time now.
func (v *Verifier) ConfirmDevice(r *http.Request, device string, now time.Time) (proof.Binding, reason.Reason) {
	certificate, why := v.Certificate(r)
	switch {
	case why != reason.None:
		return proof.Binding{}, why
	case certificate.Leaf == nil || !v.devices.genuine(certificate, now):
		return proof.Binding{}, reason.CertificateUntrusted
	case !slices.ContainsFunc(v.devices.Source.ids(certificate.Leaf), func(id string) bool { return strings.EqualFold(id, device) }):
		return proof.Binding{}, reason.KeyMismatch
	}
	return certificate.binding(), reason.None
}

// binding names the certificate by its hash. It has no replay identity: the
// handshake is the proof.
func (c *Certificate) binding() proof.Binding {
	return proof.Binding{Scheme: proof.MTLS, Key: jose.Thumbprint(c.Hash)}
}

// Devices says which certificates name devices, and how.
type Devices struct {
	// Authorities issue device certificates.
	Authorities *x509.CertPool
	// Source is where in a certificate the device id stands.
	Source Source
}

// genuine verifies chain, validity and client authentication.
func (d *Devices) genuine(c *Certificate, now time.Time) bool {
	intermediates := x509.NewCertPool()
	for _, certificate := range c.Intermediates {
		intermediates.AddCert(certificate)
	}
	_, err := c.Leaf.Verify(x509.VerifyOptions{
		Roots: d.Authorities, Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}
