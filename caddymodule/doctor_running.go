// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// maxStatus bounds the status page that is read, in bytes.
const maxStatus = 8 << 20

// checkRunning asks the admin API of the server that runs.
func (d *doctor) checkRunning(ctx context.Context) {
	const check = "server"
	address := cmp.Or(d.address, caddy.DefaultAdminListen)
	running, err := askStatus(ctx, address)
	var refused *net.OpError
	switch {
	case errors.As(err, &refused) && refused.Op == "dial" && d.address == "":
		d.skip(check, "No server answers at %s: what runs was not looked at.", address)
		return
	case err != nil:
		d.fail(check, "start the server, or give the address of its admin API with --address", "The server at %s does not tell its status: %v.", address, err)
		return
	}
	if running.Ready {
		d.ok(check, "The server at %s (%s) can judge tokens.", address, running.Version)
	} else {
		d.fail(check, "see the key sets below", "The server at %s (%s) cannot judge tokens yet: it never had the keys of an issuer.", address, running.Version)
	}
	d.checkRunningKeySets(running)
	if running.Clock.BeforeBuild {
		d.fail(check, "synchronise the clock of the server", "The server's clock says %s, which is before its binary was made.", running.Clock.Now)
	}
	d.checkDecisions(running)
}

// askStatus reads the status of a running server.
func askStatus(ctx context.Context, address string) (*status, error) {
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil || parsed.PortRangeSize() > 1 {
		return nil, fmt.Errorf("--address %q: expected one such as localhost:2019", address)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, parsed.Network, parsed.JoinHostPort(0))
	}}
	defer transport.CloseIdleConnections()
	host := parsed.JoinHostPort(0)
	if parsed.IsUnixNetwork() {
		host = "127.0.0.1" // what Caddy's admin API expects where there is no host
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+adminPath+"status", nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, errors.New("it has no token protection, or an older version of it")
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", response.StatusCode)
	}
	running := new(status)
	if err := json.NewDecoder(io.LimitReader(response.Body, maxStatus)).Decode(running); err != nil {
		return nil, fmt.Errorf("its answer is not a status: %w", err)
	}
	return running, nil
}

func (d *doctor) checkRunningKeySets(running *status) {
	const check = "running key set"
	for _, keys := range running.KeySets {
		switch {
		case keys.Expired:
			d.fail(check, faultHints[orTimeout(keys.Fault)], "%s: the server has no keys that are fresh enough (%s); tokens get 503.", keys.Issuer, orTimeout(keys.Fault))
		case keys.Fault != faultNone:
			d.warn(check, faultHints[keys.Fault], "%s: the last fetch failed (%s); the server goes on with keys that are %d s old.", keys.Issuer, keys.Fault, keys.Age)
		default:
			d.ok(check, "%s: %d %s, %d s old.", keys.Issuer, keys.Keys, plural(keys.Keys, "key", "keys"), keys.Age)
		}
	}
}

// reasonHints say what the usual cause is where a reason is frequent.
// docs/sign-in-log.md has all of them.
var reasonHints = map[string]string{
	"proof_url":           "another proxy in front: add it to trusted_proxies, or set public_url",
	"proof_time":          "the clocks of devices, or of this server",
	"nonce_missing":       "clients that do not retry with a server nonce",
	"nonce_stale":         "nodes with different nonce_secret, or clients that keep a nonce too long",
	"proof_replayed":      "an attack, or clients that retry without a new proof",
	"scheme_mismatch":     "stolen tokens sent as Bearer, or clients that downgrade",
	"proof_missing":       "a proxy that removes the DPoP header, or stolen tokens",
	"token_audience":      "set audience to what the issuer writes",
	"token_issuer":        "compare the issuer byte for byte, trailing slash included",
	"token_type":          "ID tokens in place of access tokens; or set token_types",
	"token_unbound":       "clients that do not bind their tokens",
	"credential_foreign":  "clients with Basic, NTLM or Negotiate",
	"certificate_missing": "client_auth is off, or a terminator is not configured",
	"key_set_unavailable": "the issuer, or the network to it",
	"replay_quota":        "a runaway client, or a low max_per_key",
}

// checkDecisions sums up the newest decisions.
func (d *doctor) checkDecisions(running *status) {
	const check = "last decisions"
	if len(running.LastDecisions) == 0 {
		d.skip(check, "The server has decided nothing yet.")
		return
	}
	blocked, reasons := 0, make(map[string]int)
	for _, decision := range running.LastDecisions {
		if decision.Decision == "block" {
			blocked++
		}
		if why, _, _ := strings.Cut(decision.Reason, ";"); why != "" {
			reasons[why]++
		}
	}
	text := fmt.Sprintf("Of the last %d sign-in records %d %s blocked", len(running.LastDecisions), blocked, plural(blocked, "was", "were"))
	if why, times := mostFrequent(reasons); why != "" {
		text += fmt.Sprintf("; the most frequent reason is %s (%d)", why, times)
		if hint := reasonHints[why]; hint != "" && blocked > 0 {
			d.warn(check, "the usual cause: "+hint, "%s.", text)
			return
		}
	}
	d.ok(check, "%s.", text)
}

func mostFrequent(counts map[string]int) (word string, times int) {
	for candidate, n := range counts {
		if n > times || n == times && strings.Compare(candidate, word) < 0 {
			word, times = candidate, n
		}
	}
	return word, times
}
