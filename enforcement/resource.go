// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"net/http"

	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// Resource is what an Enforcer protects.
type Resource struct {
	// Name is what policies call it, and its label in metrics.
	Name string
	// DisplayName and AppID go into the sign-in record.
	DisplayName, AppID string
	// Audience lists the aud values of tokens for this resource.
	Audience []string
	// HostAudience also admits tokens for https:// and the host that the
	// client addressed.
	HostAudience bool
	// Exempt lists paths that need no token.
	Exempt target.Patterns
	// AllowAnonymous lets requests without any credential pass to a backend
	// that authenticates by itself, also under an `on` policy.
	AllowAnonymous bool
}

// Request is one request as the enforcer sees it.
type Request struct {
	// HTTP is the request. Its method, header and query are read; its body
	// only where a form might hide a second token.
	HTTP *http.Request
	// URL is what the client addressed, before any rewriting; the zero URL
	// if that cannot be told.
	URL target.URL
	// SentPath and SentQuery are the escaped path and the query as the client
	// sent them.
	SentPath, SentQuery string
	// Address is the client's IP address.
	Address string
	// AddressUnverified says that the client may have written Address itself:
	// it is recorded, and policies do not know it. Where none asks for the
	// address, it need not be found out.
	AddressUnverified bool
}
