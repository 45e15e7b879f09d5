// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// keySet makes the issuer's key set. A transport of nil is the default one.
func (i Issuer) keySet(transport http.RoundTripper) (*token.KeySet, error) {
	if i.JWKSFile != "" {
		return token.NewFileKeySet(i.Issuer, i.JWKSFile)
	}
	return token.NewRemoteKeySet(i.Issuer, i.JWKSURL, transport)
}

// keySetFault is the class of a key set's last failure. The error itself is
// not shown: it may repeat what an issuer's server said.
type keySetFault string

const (
	// faultNone: the last fetch succeeded.
	faultNone keySetFault = ""
	// faultTimeout: the issuer did not answer in time.
	faultTimeout keySetFault = "timeout"
	// faultUnreachable: the issuer's name was not found or nobody answered there.
	faultUnreachable keySetFault = "unreachable"
	// faultCertificate: TLS with the issuer failed.
	faultCertificate keySetFault = "certificate"
	// faultFile: the key set's file could not be read.
	faultFile keySetFault = "file"
	// faultAnswer: what came is no key set, or no metadata of this issuer.
	faultAnswer keySetFault = "answer"
)

// faultHints say what to do.
var faultHints = map[keySetFault]string{
	faultTimeout:     "it did not answer in time: look at the network and at firewalls between this machine and the issuer",
	faultUnreachable: "nobody answered: look at the host's name, at DNS, and at firewalls between this machine and the issuer",
	faultCertificate: "its TLS certificate is not trusted here: add its authority to this machine's, or look who answers in its place",
	faultFile:        "the file could not be read: look at its path and at its permissions",
	faultAnswer:      "what came is not a key set with a usable key, or not this issuer's metadata: open the URL, and compare the issuer byte for byte, trailing slash included",
}

// faultOf classifies an error of a key set.
func faultOf(err error) keySetFault {
	var timeout interface{ Timeout() bool }
	var resolving *net.DNSError
	var connecting *net.OpError
	var file *fs.PathError
	switch {
	case err == nil:
		return faultNone
	case errors.As(err, &file):
		return faultFile
	case isCertificateError(err):
		return faultCertificate
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return faultTimeout
	case errors.As(err, &resolving), errors.As(err, &connecting):
		return faultUnreachable
	}
	return faultAnswer
}

func isCertificateError(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &record) || errors.As(err, &alert)
}

// keySetExpired reports whether a key set is too old to be served, or was
// never had.
func keySetExpired(status token.KeySetStatus, now time.Time) bool {
	return status.Fetched.IsZero() || status.Age(now) > token.RefreshEvery+token.StaleFor
}
