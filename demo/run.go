// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"
	"time"
)

// Phase is the state that the proxy's policy is in.
type Phase string

// The phases of a roll-out that the scenario knows what to expect of.
const (
	ReportOnly Phase = "report_only"
	On         Phase = "on"
)

// Endpoints are base URLs without a trailing slash, as the devices see them. The
// tokens' audiences are the base URLs of the resources.
type Endpoints struct {
	// Issuer is the authorization server.
	Issuer string
	// Exchange and SharePoint are the proxy's sites, not the backends.
	Exchange, SharePoint string
	// Authority is a PEM file with the authority of the sites' certificates, to be
	// trusted besides the system's; empty if there is no need.
	Authority string
	// Nodes is how many proxies stand behind Exchange and SharePoint, if their
	// balancer says in X-Node which one has answered. With more than one the
	// scenario ends with a replay at every node.
	Nodes int
}

// client returns an HTTP client that trusts the authority.
func (e Endpoints) client() (*http.Client, error) {
	if e.Authority == "" {
		return http.DefaultClient, nil
	}
	document, err := os.ReadFile(e.Authority)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(document) {
		return nil, fmt.Errorf("authority: %s has no certificate; expected PEM", e.Authority)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}

// Outcome is what came of one step of the scenario.
type Outcome struct {
	// Who tried it, and what.
	Who, Tried string
	// Status is the HTTP status, zero if there was no answer.
	Status int
	// Reason says why: the error code of the challenge, the codes and the detail of
	// the problem document. Empty if there is nothing to say.
	Reason string
	// Expected says whether Status and codes are what token protection promises in
	// the phase.
	Expected bool
}

// AsExpected reports whether every outcome was the expected one.
func AsExpected(outcomes []Outcome) bool {
	for _, outcome := range outcomes {
		if !outcome.Expected {
			return false
		}
	}
	return true
}

// Run lets the devices and thieves try everything once, against a proxy whose
// policy is in the given phase, and prints a table of what came of it to w. All
// requests go through httpClient; nil means one that trusts e.Authority. Client
// certificates can be shown only where its transport is net/http's own.
//
// It returns an error if the scenario could not be played: no token to be had, a
// phase it does not know, ctx done, or w not writable. That something unexpected
// came back is no error, see [AsExpected].
func Run(ctx context.Context, w io.Writer, phase Phase, e Endpoints, httpClient *http.Client) ([]Outcome, error) {
	if phase != ReportOnly && phase != On {
		return nil, fmt.Errorf("phase must be %s or %s", ReportOnly, On)
	}
	if httpClient == nil {
		var err error
		if httpClient, err = e.client(); err != nil {
			return nil, err
		}
		defer httpClient.CloseIdleConnections()
	}
	cast, err := newCast(ctx, e, httpClient)
	if err != nil {
		return nil, err
	}
	defer cast.leave()
	if err := cast.awaitProxy(ctx); err != nil {
		return nil, err
	}
	steps := scenario()
	if e.Nodes > 1 {
		steps = append(steps, acrossNodes()...)
	}
	outcomes := make([]Outcome, 0, len(steps))
	for _, step := range steps {
		result, err := step.try(ctx, cast)
		if ctx.Err() != nil {
			return outcomes, ctx.Err()
		}
		want := step.on
		if phase == ReportOnly {
			want = passes
		}
		outcome := Outcome{Who: step.who, Tried: step.tried, Status: result.status, Reason: result.reason()}
		if err != nil {
			outcome.Reason = err.Error()
		}
		outcome.Expected = err == nil && result.is(want)
		outcomes = append(outcomes, outcome)
	}
	return outcomes, printTable(w, outcomes)
}

// RunDevices is [Run] for a container of its own: with an HTTP client that trusts
// what the system trusts (SSL_CERT_FILE), and an error if anything was unexpected.
func RunDevices(ctx context.Context, w io.Writer, phase Phase, e Endpoints) error {
	outcomes, err := Run(ctx, w, phase, e, &http.Client{Timeout: time.Minute})
	if err != nil {
		return err
	}
	if !AsExpected(outcomes) {
		return errors.New("not every outcome was the expected one")
	}
	return nil
}

// printTable prints the outcomes, one a line, in aligned columns.
func printTable(w io.Writer, outcomes []Outcome) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "WHO\tTRIED\tCAME BACK\tAS EXPECTED\tWHY")
	for _, o := range outcomes {
		came, expected := fmt.Sprint(o.Status), "yes"
		if o.Status == 0 {
			came = "nothing"
		}
		if !o.Expected {
			expected = "NO"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", o.Who, o.Tried, came, expected, o.Reason)
	}
	if err := table.Flush(); err != nil { // Flush reports what Fprintf could not write
		return fmt.Errorf("printing the table: %w", err)
	}
	return nil
}
