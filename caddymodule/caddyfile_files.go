// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/livefile"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// inspected reads a sub-directive that names files, and then looks at them. A
// Caddyfile may be adapted where its files are not, so what is wrong with them
// is only a warning here, with the line; it is an error where the
// configuration is loaded.
func inspected(parse parser, inspect func() error) parser {
	return func(d *caddyfile.Dispenser) error {
		if err := parse(d); err != nil {
			return err
		}
		if err := inspect(); err != nil {
			warnOnce(caddy.Log().Named("token_protection"), d.WrapErr(err).Error())
		}
		return nil
	}
}

// inspectKeys reads the file with the issuer's keys.
func (i *Issuer) inspectKeys() error {
	if _, err := token.NewFileKeySet(i.Issuer, i.JWKSFile); err != nil {
		return fmt.Errorf("jwks_file: %w; expected a JWK Set that can be read", err)
	}
	return nil
}

// inspectPolicies reads the policies file.
func (a *App) inspectPolicies() error {
	_, err := readPolicies(livefile.New(a.PoliciesFile, policy.MaxDocumentSize))
	return err
}

// certificate reads the files by which the server authenticates.
func (i *Introspection) certificate() (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(i.ClientCertificate, i.ClientKey)
	if err != nil {
		return pair, fmt.Errorf("client_certificate %s %s: %w; expected PEM files with a certificate and its key", i.ClientCertificate, i.ClientKey, err)
	}
	return pair, nil
}
