// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/octet"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// AuthScheme is an HTTP authentication scheme that carries an access token,
// lower-case.
type AuthScheme string

// The schemes. Which one is owed is the issuer's choice, in the token's confirmation.
const (
	SchemeNone   AuthScheme = ""
	SchemeDPoP   AuthScheme = "dpop"     // RFC 9449, section 7.1
	SchemeBearer AuthScheme = "bearer"   // RFC 6750, section 2.1
	SchemePoP    AuthScheme = "pop"      // signed HTTP requests
	SchemeMTLS   AuthScheme = "mtls_pop" // MSAL's spelling for certificate-bound tokens
)

// Credential is the access token of a request, as presented.
type Credential struct {
	Scheme AuthScheme
	Token  string
}

// credentialOf takes the one credential there must be (RFC 6750, section 2:
// not more than one method to transmit the token), with no more than one
// proof beside it.
func credentialOf(r *http.Request) (Credential, reason.Reason) {
	fields := r.Header["Authorization"]
	switch {
	case len(fields) > 1, queryCarriesToken(r.URL.RawQuery):
		return Credential{}, reason.CredentialsSeveral
	case len(r.Header["Dpop"]) > 1:
		return Credential{}, reason.ProofsSeveral
	case len(fields) == 0:
		return Credential{}, reason.CredentialMissing
	}
	name, token, _ := strings.Cut(fields[0], " ")
	token = strings.Trim(token, " ") // 1*SP
	scheme := authScheme(name)
	switch {
	case scheme == SchemeNone && isToken68(name):
		return Credential{}, reason.CredentialForeign
	case scheme == SchemeNone:
		return Credential{}, reason.CredentialMalformed
	case isToken68(token):
		return Credential{Scheme: scheme, Token: token}, reason.None
	case token == "":
		return Credential{Scheme: scheme}, reason.CredentialMissing
	case strings.ContainsAny(token, " ,\t"):
		return Credential{Scheme: scheme}, reason.CredentialMalformed
	}
	return Credential{Scheme: scheme}, reason.TokenMalformed // one token, and none that could verify
}

func authScheme(name string) AuthScheme {
	for _, scheme := range [...]AuthScheme{SchemeDPoP, SchemeBearer, SchemePoP, SchemeMTLS} {
		if strings.EqualFold(name, string(scheme)) {
			return scheme
		}
	}
	return SchemeNone
}

// isToken68 is RFC 9110, section 11.2.
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	return body != "" && token68.HasAll(body)
}

// token68 are the characters of a token68 but its padding.
var token68 = octet.SetOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")

// queryCarriesToken finds an access_token parameter (RFC 6750, section 2.3).
// It could not be proven, and a backend might prefer it to the token that was
// judged. Names are compared as lenient backends do: decoded, without regard
// to case, and split at semicolons too.
func queryCarriesToken(query string) bool {
	for query != "" {
		var pair string
		if end := strings.IndexAny(query, "&;"); end >= 0 {
			pair, query = query[:end], query[end+1:]
		} else {
			pair, query = query, ""
		}
		if name, _, _ := strings.Cut(pair, "="); namesToken(name) {
			return true
		}
	}
	return false
}

// namesToken reports whether a parameter's name, as it was sent, is that of a
// token.
func namesToken(name string) bool {
	if strings.IndexByte(name, '%') >= 0 {
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
	}
	return strings.EqualFold(name, "access_token")
}

// judgedHeaders must reach the backend as they were judged.
var judgedHeaders = []string{"authorization", "dpop", "cookie"}

// namesAnotherPath reports whether a header names a path that some backends,
// IIS among them, serve in place of the request's own.
func namesAnotherPath(header http.Header) bool {
	return header["X-Original-Url"] != nil || header["X-Rewrite-Url"] != nil
}

// connectionDrops reports whether the Connection header nominates a header
// that was judged: the proxy would then drop it (RFC 9110, section 7.6.1).
func connectionDrops(header http.Header) bool {
	for _, field := range header["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			name = strings.Trim(name, " \t")
			for _, judged := range judgedHeaders {
				if strings.EqualFold(name, judged) {
					return true
				}
			}
		}
	}
	return false
}
