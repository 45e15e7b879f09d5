// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// errBlocked makes the exit status of verify that of the decision.
var errBlocked = errors.New("the request would be refused")

// verifyOptions are the flags of verify.
type verifyOptions struct {
	config, adapter, resource, request, at string
	circumstances
}

func verifyCommand() *cobra.Command {
	var o verifyOptions
	command := &cobra.Command{
		Use:   "verify --config <file> [--resource <name>] [--request <file>] [--url <url>] [--time <time>]",
		Short: "Explains how a captured request is judged, check by check",
		Long: `Takes a captured request, a raw HTTP request or what curl -v printed, through
the checks that the server would make with a configuration: what passed, which
check failed first and why, what each policy made of it, and the decision. It
shows what token and proof say of themselves, and never the token, the proof, a
nonce or a cookie. The exit status is 1 if the request would be refused.

Capture the request with its time: a proof is good for a minute. Opaque tokens
are sent to their issuer's introspection endpoint, as the server does.`,
		Args: cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			return o.run(command.InOrStdin(), command.OutOrStdout())
		}),
	}
	flags := command.Flags()
	flags.StringVarP(&o.config, "config", "c", "Caddyfile", "the configuration file")
	flags.StringVarP(&o.adapter, "adapter", "a", "", "the configuration's adapter; default: caddyfile, unless the file ends in .json")
	flags.StringVar(&o.resource, "resource", "", "the resource that was asked; default: the only one")
	flags.StringVar(&o.request, "request", "-", "the file with the request; - is standard input")
	flags.StringVar(&o.url, "url", "", "the URL that the client addressed; default: https, the request's Host and path, or public_url")
	flags.StringVar(&o.at, "time", "", "when the request was sent (RFC 3339); default: the answer's Date that curl -v shows, else now")
	flags.StringVar(&o.peer, "peer", "", "the IP address the connection came from, for forwarded certificates")
	flags.StringVar(&o.certificate, "client-cert", "", "a PEM file with the connection's client certificate")
	return command
}

func (o *verifyOptions) run(stdin io.Reader, out io.Writer) (err error) {
	if err := hush(); err != nil {
		return err
	}
	captured, err := o.capture(stdin)
	if err != nil {
		return err
	}
	at, err := o.time(captured)
	if err != nil {
		return err
	}
	c, err := readConfiguration(o.config, o.adapter)
	if err != nil {
		return err
	}
	v, err := newVerifier(c, o.resource, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	request, err := v.request(captured.request, o.circumstances)
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(strings.Join(captured.request.Header["Authorization"], ","), " ")
	e := explanation{out: out, verifier: v, request: request, token: strings.TrimSpace(token), proofs: captured.request.Header["Dpop"]}
	e.decision = v.handler.enforcer.Enforce(&request)
	e.print()
	if !e.decision.Allow {
		return errBlocked
	}
	return nil
}

func (o *verifyOptions) capture(stdin io.Reader) (*capture, error) {
	source := stdin
	if o.request != "-" {
		file, err := os.Open(o.request)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		source = file
	}
	captured, err := readCapture(source)
	if err != nil {
		return nil, fmt.Errorf("--request %s: %w", o.request, err)
	}
	return captured, nil
}

// time is when the request was sent. The keys that are fetched now say nothing
// about the future.
func (o *verifyOptions) time(captured *capture) (time.Time, error) {
	now := time.Now()
	if o.at == "" {
		if captured.answered.IsZero() {
			return now, nil
		}
		return captured.answered, nil
	}
	at, err := time.Parse(time.RFC3339, o.at)
	if err != nil {
		return time.Time{}, fmt.Errorf("--time %q: expected one such as %s", o.at, now.UTC().Format(time.RFC3339))
	}
	if at.After(now.Add(time.Minute)) {
		return time.Time{}, fmt.Errorf("--time %q: lies in the future", o.at)
	}
	return at, nil
}
