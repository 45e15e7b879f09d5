// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
)

// forward prepares an admitted request for the backend: what was judged is
// what it gets. Where nothing is enforced, only what the administrator asked
// for is changed, and only for a token that was verified.
func (h *Handler) forward(r *http.Request, decision *enforcement.Decision) {
	if decision.Enforcing {
		h.foreign.remove(r.Header, h.enforcer.TrustedHeaders(r))
	}
	if decision.Claims == nil {
		return
	}
	switch h.Forward {
	case forwardBearer:
		r.Header.Set("Authorization", "Bearer "+decision.Credential.Token)
		removeProofs(r.Header)
	case forwardNone:
		r.Header.Del("Authorization")
		removeProofs(r.Header)
	}
}

// removeProofs takes out what a backend that logs it could be robbed of.
func removeProofs(header http.Header) {
	for _, name := range []string{"Dpop", "Secure-Session-Response", "Secure-Session-Skipped", "Sec-Secure-Session-Id"} {
		delete(header, name)
	}
}

// certificateHeaders are the ways in which TLS terminators forward a client
// certificate (RFC 9440, section 2, and its vendor forms). From here they are
// forged, unless the peer is a terminator that is configured.
var certificateHeaders = []string{
	"Client-Cert", "Client-Cert-Chain", "X-Forwarded-Client-Cert", "X-Arr-Clientcert",
	"X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf", "X-Forwarded-Tls-Client-Cert",
	"X-Forwarded-Tls-Client-Cert-Info", "X-Ssl-Client-Cert", "X-Ssl-Client-Der", "Ssl-Client-Cert", "X-Client-Cert",
}

// headers are those by which the configured terminators speak of client
// certificates, with canonical names.
func (m *MTLS) headers() (names []string) {
	if m == nil {
		return nil
	}
	for _, f := range m.Forwarded {
		for _, name := range []string{f.Header, f.Header + "-Chain", f.RequireHeader} {
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
	return names
}

// hostileHeaders must never pass an enforcing resource: claims about early
// data and token binding, and paths that some backends serve in place of the
// request's own.
var hostileHeaders = []string{"Early-Data", "X-Original-Url", "X-Rewrite-Url", "Sec-Token-Binding", "Sec-Provided-Token-Binding-Id"}

// foreignHeaders are the canonical names of what clients may not send, with
// whether a configured terminator may.
type foreignHeaders map[string]bool

func newForeignHeaders(ofTerminators []string) foreignHeaders {
	f := make(foreignHeaders)
	for _, name := range slices.Concat(certificateHeaders, ofTerminators) {
		f[name] = true
	}
	for _, name := range hostileHeaders {
		f[name] = false
	}
	return f
}

// remove takes out what must never pass an enforcing resource: the headers
// above, unless they are trusted ones; Entra's primary refresh token and
// device credentials, which no resource can verify; and upgrades to a protocol
// whose later requests nobody would judge. It walks over the header once,
// because a request has fewer headers than there are names to look for.
func (f foreignHeaders) remove(header http.Header, trusted []string) {
	for name, values := range header {
		ofTerminator, foreign := f[name]
		switch {
		case foreign && !(ofTerminator && slices.Contains(trusted, name)), isEntraCredential(name):
			delete(header, name)
		case name == "Upgrade" && slices.ContainsFunc(values, isCleartextHTTP2):
			delete(header, name)
			delete(header, "Http2-Settings")
		}
	}
	removeEntraCookies(header)
}

// isCleartextHTTP2 matches h2c among the protocols of an Upgrade header.
func isCleartextHTTP2(protocols string) bool {
	return strings.Contains(strings.ToLower(protocols), "h2c")
}

// isEntraCredential matches x-ms-RefreshTokenCredential, with or without a
// number, and x-ms-DeviceCredential.
func isEntraCredential(name string) bool {
	const shortest = len("x-ms-devicecredential")
	if len(name) < shortest || name[0] != 'X' && name[0] != 'x' {
		return false
	}
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "x-ms-refreshtokencredential") || strings.HasPrefix(lower, "x-ms-devicecredential")
}

// removeEntraCookies takes the same credentials out of the cookies.
func removeEntraCookies(header http.Header) {
	cookies := header["Cookie"]
	if !hasEntraCookie(cookies) {
		return
	}
	kept := make([]string, 0, len(cookies))
	for _, line := range cookies {
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			if pair = strings.TrimSpace(pair); pair != "" && !isEntraCredential(pair) {
				pairs = append(pairs, pair)
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	if len(kept) == 0 {
		delete(header, "Cookie")
		return
	}
	header["Cookie"] = kept
}

func hasEntraCookie(cookies []string) bool {
	for _, line := range cookies {
		for pair := range strings.SplitSeq(line, ";") {
			if isEntraCredential(strings.TrimSpace(pair)) {
				return true
			}
		}
	}
	return false
}
