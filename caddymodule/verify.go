// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
)

// verifier judges one captured request as the server would have: with the
// configured enforcer, an empty memory of spent proofs, and the clock of that
// moment.
type verifier struct {
	handler *Handler
	app     *App
	at      time.Time
	record  *signin.Record // of the decision; nil if none was written
	notes   []string       // what cannot be told from outside the server
}

// remembering is how long before the request the empty memory begins, so that
// no proof that could be accepted owes a nonce because of it.
const remembering = 24 * time.Hour

// newVerifier provisions the app and the handler of a resource, and waits for
// the issuers' keys. Close gives up what it holds.
func newVerifier(c *configuration, resource string, at time.Time) (*verifier, error) {
	configured, err := c.handlerOf(resource)
	if err != nil {
		return nil, err
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		AppsRaw: caddy.ModuleMap{"token_protection": c.whole.AppsRaw["token_protection"]}, Logging: quietLogging(),
	})
	if err != nil {
		return nil, err
	}
	app, err := sharedApp(ctx)
	if err != nil {
		return nil, err
	}
	v := &verifier{handler: configured, app: app, at: at}
	if err := configured.Provision(ctx); err != nil {
		return nil, errors.Join(err, v.close())
	}
	v.handler = configured.current.Load()
	if err := v.adjust(); err != nil {
		return nil, errors.Join(err, v.close())
	}
	for _, keys := range app.keySets {
		_, _ = keys.Find("verify", jose.ES256, time.Now()) // no key has this id: it is asked for to wait for the fetch
	}
	return v, nil
}

// handlerOf finds the handler of a resource, the only one if it is not named.
func (c *configuration) handlerOf(resource string) (*Handler, error) {
	var names []string
	for _, h := range c.handlers {
		if h.Resource == resource || resource == "" && len(c.handlers) == 1 {
			return h, nil
		}
		names = append(names, h.Resource)
	}
	return nil, fmt.Errorf("--resource %q: no such handler; expected one of %s", resource, strings.Join(names, ", "))
}

// adjust gives the enforcer the moment's clock and an empty memory.
func (v *verifier) adjust() error {
	enforcer := v.handler.enforcer
	enforcer.Now = func() time.Time { return v.at }
	enforcer.Log = signin.New(signin.Config{Sink: func(r signin.Record) { v.record = &r }})
	empty := func() (enforcement.Replay, error) {
		return enforcement.NewReplay(1, 1, time.Hour, time.Minute, v.at.Add(-remembering))
	}
	unknownNonces := len(v.app.Proof.NonceSecret) == 0
	var err error
	if enforcer.DPoP != nil {
		if enforcer.DPoP.Replay, err = empty(); err != nil {
			return err
		}
		enforcer.DPoP.RequireNonce = enforcer.DPoP.RequireNonce && !unknownNonces
	}
	if enforcer.PoP != nil {
		if enforcer.PoP.Replay, err = empty(); err != nil {
			return err
		}
		enforcer.PoP.RequireNonce = enforcer.PoP.RequireNonce && !unknownNonces
	}
	v.note("Whether the proof was spent before is known to the server alone: it counts as new here.")
	if unknownNonces {
		v.note("No nonce_secret is configured, so that nonces are known to the server alone: none is asked for here.")
	}
	if enforcer.Sessions != nil && unknownNonces {
		v.note("No nonce_secret is configured, so that bound cookies are known to the server alone: none is valid here.")
	}
	return nil
}

func (v *verifier) note(text string) { v.notes = append(v.notes, text) }

// close gives up key sets and the rest of what was provisioned.
func (v *verifier) close() error { return v.app.Cleanup() }

// circumstances are what a captured request does not say by itself.
type circumstances struct {
	url         string // that the client addressed; empty means what the request and the configuration say
	peer        string // the address that the connection came from
	certificate string // a PEM file with the client certificate of the connection
}

// request completes a captured request.
func (v *verifier) request(r *http.Request, c circumstances) (enforcement.Request, error) {
	request := enforcement.Request{HTTP: r, SentPath: r.URL.EscapedPath(), SentQuery: r.URL.RawQuery}
	if c.peer != "" {
		address, err := netip.ParseAddr(c.peer)
		if err != nil {
			return request, fmt.Errorf("--peer %q: expected an IP address", c.peer)
		}
		request.Address, r.RemoteAddr = c.peer, netip.AddrPortFrom(address, 1).String()
	}
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	if c.certificate != "" {
		certificates, err := readCertificates(c.certificate)
		if err != nil {
			return request, err
		}
		r.TLS.PeerCertificates = certificates
	}
	if c.url == "" {
		request.URL = v.handler.addressed(r, request.SentPath)
		return request, nil
	}
	addressed, err := target.Parse(c.url)
	if err != nil {
		return request, fmt.Errorf("--url: %w; expected one such as https://mail.contoso.example/owa/", err)
	}
	if addressed.Path == "/" { // only where the site is
		if addressed, err = target.New(addressed.Scheme, addressed.Host, request.SentPath); err != nil {
			return request, fmt.Errorf("the request's path: %w", err)
		}
	}
	if addressed.Scheme == "http" {
		r.TLS = nil
	}
	request.URL = addressed
	return request, nil
}

func readCertificates(path string) (certificates []*x509.Certificate, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("--client-cert %s: %w", path, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, fmt.Errorf("--client-cert %s: expected a PEM file with a certificate", path)
	}
	return certificates, nil
}
