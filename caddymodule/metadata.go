// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// wellKnown is where a resource publishes its metadata: inserted between its
// host and its path (RFC 9728, section 3.1).
const wellKnown = "/.well-known/oauth-protected-resource"

// resourceMetadata is RFC 9728, section 2.
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	Name                 string   `json:"resource_name,omitempty"`
	AuthorizationServers []string `json:"authorization_servers"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	CertificateBound     bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DPoPRequired         bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}

// newMetadata prepares what is the same for every request: all but the
// resource's URL.
func (h *Handler) newMetadata(app *App) resourceMetadata {
	config := &h.config
	m := resourceMetadata{Name: h.DisplayName, BearerMethods: []string{"header"}, CertificateBound: config.MTLS != nil}
	for _, issuer := range app.Issuers {
		m.AuthorizationServers = append(m.AuthorizationServers, issuer.Issuer)
	}
	if config.DPoP != nil {
		m.DPoPAlgorithms = names(config.DPoP.Algorithms)
	}
	return m
}

// metadataURL is where the metadata of the resource that the request
// addressed is, empty if that cannot be told. It never follows a header that
// the client could set.
func (h *Handler) metadataURL(addressed target.URL) string {
	if !h.Metadata || addressed.Scheme == "" {
		return ""
	}
	return addressed.Scheme + "://" + addressed.Host + wellKnown + h.publicURL.Path
}

// serveMetadata answers a request for the metadata; it reports false for all others.
func (h *Handler) serveMetadata(w http.ResponseWriter, r *http.Request, addressed target.URL) (bool, error) {
	if !h.Metadata || !strings.HasSuffix(addressed.Path, wellKnown) || addressed.Path != h.publicURL.Path+wellKnown && addressed.Path != wellKnown {
		return false, nil
	}
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return true, nil
	}
	metadata := h.metadata
	metadata.Resource = addressed.Scheme + "://" + addressed.Host + h.publicURL.Path
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "max-age=3600")
	header.Set("Access-Control-Allow-Origin", "*") // it is public
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return true, nil
	}
	return true, json.NewEncoder(w).Encode(metadata)
}
