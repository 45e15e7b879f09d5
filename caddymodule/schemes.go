// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/mtls"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/nonce"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/pop"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// supportedProofs are the schemes that a resource can accept. By default it
// accepts those that come with a token.
var (
	defaultProofs   = []string{string(proof.DPoP), string(proof.MTLS), string(proof.PoP)}
	supportedProofs = append(slices.Clone(defaultProofs), string(proof.DBSC))
)

// accepts reports whether the resource accepts a scheme.
func (h *Handler) accepts(scheme proof.Scheme) bool {
	proofs := h.Proofs
	if len(proofs) == 0 {
		proofs = defaultProofs
	}
	return slices.Contains(proofs, string(scheme))
}

// provisionSchemes gives the enforcer the verifiers of the accepted schemes.
func (h *Handler) provisionSchemes(app *App) (err error) {
	config := &h.config
	if h.accepts(proof.DPoP) {
		config.DPoP = app.dpop
	}
	if h.accepts(proof.MTLS) {
		if config.MTLS, err = h.MTLS.verifier(); err != nil {
			return err
		}
	}
	if h.accepts(proof.PoP) {
		if config.PoP, err = app.popVerifier(h.PoP); err != nil {
			return err
		}
	}
	if h.accepts(proof.DBSC) {
		if h.sessionConfig, err = h.provisionSessions(app); err != nil {
			return err
		}
	}
	return nil
}

// verifier compiles the configuration; nil is the default.
func (m *MTLS) verifier() (*mtls.Verifier, error) {
	if m == nil {
		return mtls.New(mtls.Config{})
	}
	var config mtls.Config
	for _, f := range m.Forwarded {
		if (f.RequireHeader == "") != (f.RequireValue == "") {
			return nil, fmt.Errorf("forwarded %s: require_header %q with require_value %q; expected both or neither", f.Encoding, f.RequireHeader, f.RequireValue)
		}
		forwarding := mtls.Forwarding{
			Encoding: mtls.Encoding(f.Encoding), Header: f.Header, RequireHeader: f.RequireHeader, RequireValue: f.RequireValue,
		}
		for _, text := range f.From {
			from, err := parsePrefix(text)
			if err != nil {
				return nil, err
			}
			forwarding.From = append(forwarding.From, from)
		}
		config.Forwarded = append(config.Forwarded, forwarding)
	}
	if m.DeviceCertificate != nil {
		var err error
		if config.Devices, err = m.DeviceCertificate.devices(); err != nil {
			return nil, err
		}
	}
	v, err := mtls.New(config)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	return v, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("from: %q is not an address; expected an IP address or a CIDR range", text)
	}
	return prefix.Masked(), nil
}

func (d *DeviceCertificate) devices() (*mtls.Devices, error) {
	source := mtls.Source(d.DeviceID)
	setDefault(&source, mtls.SubjectCN)
	if !slices.Contains(mtls.Sources(), source) {
		return nil, fmt.Errorf("device_id: %q is not known; expected one of %v", d.DeviceID, mtls.Sources())
	}
	if len(d.CA) == 0 {
		return nil, errors.New("device_certificate: ca is missing; expected PEM files with the authorities that issue device certificates")
	}
	authorities, err := authorities(d.CA)
	if err != nil {
		return nil, err
	}
	return &mtls.Devices{Authorities: authorities, Source: source}, nil
}

// check finds the mistakes in words.
func (p *PoP) check() error {
	if p == nil {
		return nil
	}
	if !slices.Contains([]string{"", nonceAuto, nonceRequired}, p.Nonce) {
		return fmt.Errorf("nonce: %q is not known; expected one of auto, required", p.Nonce)
	}
	for _, part := range p.Demand {
		if !slices.Contains(popParts, part) {
			return fmt.Errorf("demand: %q is not known; expected some of %s", part, strings.Join(popParts, ", "))
		}
	}
	return nil
}

// popParts are what a signed request can be asked to cover.
var popParts = []string{"query", "whole_query", "headers", "body"}

// popVerifier makes the verifier of signed requests. Their memory is one of
// its own, for they live longer than DPoP proofs.
func (a *App) popVerifier(configured *PoP) (*pop.Verifier, error) {
	if configured == nil {
		configured = new(PoP)
	}
	if err := configured.check(); err != nil {
		return nil, err
	}
	secrets, err := a.nonceSecrets()
	if err != nil {
		return nil, err
	}
	nonces, err := nonce.New("pop-nonce", nonceLife, secrets[0], secrets[1:]...)
	if err != nil {
		return nil, fmt.Errorf("nonce_secret: %w", err)
	}
	algorithms, err := parseAlgorithms(a.Proof.Algorithms)
	if err != nil {
		return nil, err
	}
	skew := time.Duration(*a.Proof.ClockSkew)
	replay, err := a.replaySet(proof.PoP, "", pop.DefaultMaxAge, skew)
	if err != nil {
		return nil, err
	}
	return pop.New(pop.Config{
		Algorithms: algorithms, ClockSkew: skew, RequireNonce: configured.Nonce == nonceRequired,
		Nonces: nonces, Replay: replay, Microsoft: configured.MicrosoftCompatible,
		Demand: pop.Demand{
			Query:      slices.Contains(configured.Demand, "query"),
			WholeQuery: slices.Contains(configured.Demand, "whole_query"),
			Headers:    slices.Contains(configured.Demand, "headers"),
			Body:       slices.Contains(configured.Demand, "body"),
		},
	})
}

// check finds what is missing, without resolving placeholders or reading files.
func (i *Introspection) check() error {
	switch {
	case i.ClientID == "":
		return errors.New("introspection: client_id is missing; expected the id this server has there")
	case (i.ClientSecret == "") == (i.ClientCertificate == ""):
		return errors.New("introspection: expected either client_secret or client_certificate")
	case (i.ClientCertificate == "") != (i.ClientKey == ""):
		return errors.New("client_certificate: expected a certificate file and a key file")
	}
	if err := token.CheckURL(i.URL); err != nil {
		return fmt.Errorf("introspection%s: %w", shown(i.URL), err)
	}
	return nil
}

// shown quotes a URL for an error message, unless there may be a password in it.
func shown(url string) string {
	if strings.Contains(url, "@") {
		return ""
	}
	return fmt.Sprintf(" %q", url)
}

// introspection compiles an issuer's introspection; nil if it has none.
func (i *Issuer) introspection(claims token.ClaimNames) (*token.Introspection, error) {
	configured := i.Introspection
	if configured == nil {
		return nil, nil
	}
	if err := configured.check(); err != nil {
		return nil, err
	}
	config := token.IntrospectionConfig{Issuer: i.Issuer, URL: configured.URL, ClientID: configured.ClientID, Claims: claims}
	secret, err := resolveSecret(configured.ClientSecret)
	if err != nil {
		return nil, fmt.Errorf("client_secret: %w", err)
	}
	config.ClientSecret = secret
	if configured.ClientCertificate != "" {
		certificate, err := configured.certificate()
		if err != nil {
			return nil, err
		}
		config.Certificate = &certificate
	}
	return token.NewIntrospection(config)
}

// resolveSecret puts in what the placeholders of a secret stand for. A literal
// one may have braces of its own, so the error shows nothing of it.
func resolveSecret(configured string) (string, error) {
	secret, err := caddy.NewReplacer().ReplaceOrErr(configured, true, true)
	if err != nil {
		return "", errors.New(`unknown or empty placeholder; expected one such as {env.SECRET} or {file./run/secret} that has a value, and \{ for a brace of the secret itself`)
	}
	return secret, nil
}
