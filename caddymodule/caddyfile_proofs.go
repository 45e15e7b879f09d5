// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/proof/mtls"
)

// parseMTLS reads how client certificates are found and judged. Syntax:
//
//	mtls {
//		forwarded <rfc9440|xfcc|base64_der|url_pem|traefik> {
//			header  <name>
//			from    <address or range>...
//			require <header> <value>
//		}
//		device_certificate {
//			ca        <file>...
//			device_id <subject_cn|san|entra_extension>
//		}
//	}
func (h *Handler) parseMTLS(d *caddyfile.Dispenser) error {
	h.MTLS = new(MTLS)
	if err := onlyBlock(d, "mtls"); err != nil {
		return err
	}
	return block(d, "mtls", map[string]parser{
		"forwarded*":         h.MTLS.parseForwarded,
		"device_certificate": h.MTLS.parseDeviceCertificate,
	})
}

func (m *MTLS) parseForwarded(d *caddyfile.Dispenser) error {
	start := here(d)
	var f Forwarded
	expected := "one of " + words(mtls.Encodings())
	if !d.NextArg() {
		return d.Errf("forwarded: missing argument; expected %s", expected)
	}
	f.Encoding = d.Val()
	if d.NextArg() {
		return d.Errf("forwarded: surplus argument %q; expected only %s", d.Val(), expected)
	}
	if err := block(d, "forwarded", map[string]parser{
		"header":  text(&f.Header, "a header name"),
		"from":    list(&f.From, "IP addresses or CIDR ranges"),
		"require": exactly("a header name and a value", &f.RequireHeader, &f.RequireValue),
	}); err != nil {
		return err
	}
	m.Forwarded = append(m.Forwarded, f)
	_, err := (&MTLS{Forwarded: []Forwarded{f}}).verifier()
	return wrap(start, err)
}

func (m *MTLS) parseDeviceCertificate(d *caddyfile.Dispenser) error {
	start := here(d)
	m.DeviceCertificate = new(DeviceCertificate)
	if err := onlyBlock(d, "device_certificate"); err != nil {
		return err
	}
	if err := block(d, "device_certificate", map[string]parser{
		"ca":        list(&m.DeviceCertificate.CA, "PEM files"),
		"device_id": word(&m.DeviceCertificate.DeviceID, names(mtls.Sources())...),
	}); err != nil {
		return err
	}
	_, err := m.DeviceCertificate.devices()
	return wrap(start, err)
}

// parsePoP reads how signed HTTP requests are judged. Syntax:
//
//	pop {
//		microsoft_compatible
//		demand <query|whole_query|headers|body>...
//		nonce  <auto|required>
//	}
func (h *Handler) parsePoP(d *caddyfile.Dispenser) error {
	h.PoP = new(PoP)
	if err := onlyBlock(d, "pop"); err != nil {
		return err
	}
	return block(d, "pop", map[string]parser{
		"microsoft_compatible": present(&h.PoP.MicrosoftCompatible, "no arguments"),
		"demand":               checked(list(&h.PoP.Demand, "some of "+strings.Join(popParts, ", ")), h.PoP.check),
		"nonce":                word(&h.PoP.Nonce, nonceAuto, nonceRequired),
	})
}

// parseIntrospection reads whom to ask about opaque tokens. Syntax:
//
//	introspection <url> {
//		client_id          <id>
//		client_secret      <secret>
//		client_certificate <certificate file> <key file>
//	}
func (i *Issuer) parseIntrospection(d *caddyfile.Dispenser) error {
	start := here(d)
	i.Introspection = new(Introspection)
	if !d.NextArg() {
		return d.Err("introspection: missing argument; expected the endpoint's https URL")
	}
	i.Introspection.URL = d.Val()
	if d.NextArg() {
		return d.Errf("introspection: surplus argument %q; expected only the endpoint's https URL", d.Val())
	}
	if err := block(d, "introspection", map[string]parser{
		"client_id":     text(&i.Introspection.ClientID, "an id"),
		"client_secret": exactly("one secret", &i.Introspection.ClientSecret),
		"client_certificate": inspected(exactly("a certificate file and a key file", &i.Introspection.ClientCertificate, &i.Introspection.ClientKey), func() error {
			_, err := i.Introspection.certificate()
			return err
		}),
	}); err != nil {
		return err
	}
	return wrap(start, i.Introspection.check())
}
