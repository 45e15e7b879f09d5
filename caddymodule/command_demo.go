// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/demo"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

var errUnexpected = errors.New("not every outcome was the expected one")

func demoCommand() *cobra.Command {
	once := false
	command := &cobra.Command{
		Use:   "demo [--once]",
		Short: "Shows what devices and thieves get, first under report-only, then on",
		Long: `Runs an issuer, an Exchange- and a SharePoint-like backend and the proxy in this
process, on loopback. Devices and thieves use them, first while the policy is
report-only, then while it is on; tables say who tried what, what came back and
why, and how the sign-in log sums up. Then it keeps serving, so that you can try
it with curl, unless --once is given. With --once the exit status says whether
every outcome was the expected one.

The subcommands run the same parts one by one, for containers.`,
		Args: cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			ctx, cancel := untilSignalled(command)
			defer cancel()
			return runDemo(ctx, command.OutOrStdout(), once)
		}),
	}
	command.Flags().BoolVar(&once, "once", false, "exit after the scenario")
	command.AddCommand(demoIssuerCommand(), demoBackendCommand("exchange", demo.ServeExchange),
		demoBackendCommand("sharepoint", demo.ServeSharePoint), demoDevicesCommand())
	return command
}

// runDemo plays the scenario in both phases, sums up, and serves on.
func runDemo(ctx context.Context, out io.Writer, once bool) (err error) {
	directory, err := os.MkdirTemp("", "token-protection-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	process, err := demo.StartProcess(ctx, directory)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	defer func() { err = errors.Join(err, caddy.Stop()) }()

	expected := true
	for _, phase := range []demo.Phase{demo.ReportOnly, demo.On} {
		if err := loadDemo(process, phase); err != nil {
			return err
		}
		fmt.Fprintf(out, "\nThe policy is in state %s:\n\n", phase)
		outcomes, err := demo.Run(ctx, out, phase, process.Endpoints, nil)
		if err != nil {
			return err
		}
		expected = expected && demo.AsExpected(outcomes)
		if phase == demo.ReportOnly {
			if err := printFailures(out, process.SignInLog); err != nil {
				return err
			}
		}
	}
	fmt.Fprint(out, "\nWhat the sign-in log says of both (caddy token-protection report):\n\n")
	report, err := summarise(nil, []string{process.SignInLog})
	if err != nil {
		return err
	}
	if err := report.WriteTable(out); err != nil {
		return err
	}
	switch {
	case !once:
		fmt.Fprintf(out, "\nStill serving, with the policy on; Ctrl-C ends it. Sign-ins are logged to\n%s\n\n%s", process.SignInLog, demo.CurlHints(process.Endpoints))
		<-ctx.Done()
		return nil
	case !expected:
		return errUnexpected
	}
	return nil
}

// printFailures lists what a report-only policy would have blocked.
func printFailures(out io.Writer, log string) error {
	file, err := os.Open(log)
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprint(out, "\nNothing was blocked. The sign-in log says what would have been:\n\n")
	return signin.Read(file, func(entry *signin.Entry) error {
		if !entry.Failed() {
			return nil
		}
		user := entry.UserPrincipalName
		if user == "" {
			user = "(no user)"
		}
		_, err := fmt.Fprintf(out, "%s at %s: reportOnlyFailure, %d %s\n", user, entry.ResourceDisplayName,
			entry.TokenProtectionStatusDetails.SignInSessionStatusCode, entry.AdditionalDetails)
		return err
	})
}

// loadDemo puts the demo's configuration into force in this process.
func loadDemo(process *demo.Process, phase demo.Phase) error {
	text, err := process.Caddyfile(phase)
	if err != nil {
		return err
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	return caddy.Load(config, true)
}

func demoIssuerCommand() *cobra.Command {
	var config demo.IssuerConfig
	command := &cobra.Command{
		Use:   "issuer --url <url> [--listen <address>] [--certificates <directory> --host <name>...]",
		Short: "Runs the demo's issuer",
		Args:  cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			ctx, cancel := untilSignalled(command)
			defer cancel()
			return demo.ServeIssuer(ctx, config)
		}),
	}
	flags := command.Flags()
	flags.StringVar(&config.Address, "listen", "127.0.0.1:8443", "the address to listen on")
	flags.StringVar(&config.URL, "url", "", "the issuer's identifier")
	flags.StringVar(&config.Certificates, "certificates", "", "a directory for certificates; with it the issuer speaks TLS")
	flags.StringSliceVar(&config.Hosts, "host", nil, "a name for the certificates")
	required(command, "url")
	return command
}

func demoBackendCommand(name string, serve func(context.Context, string) error) *cobra.Command {
	address := ""
	command := &cobra.Command{
		Use:   name + " [--listen <address>]",
		Short: "Runs the demo's " + name + " backend",
		Args:  cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			ctx, cancel := untilSignalled(command)
			defer cancel()
			return serve(ctx, address)
		}),
	}
	command.Flags().StringVar(&address, "listen", "127.0.0.1:8080", "the address to listen on")
	return command
}

func demoDevicesCommand() *cobra.Command {
	var endpoints demo.Endpoints
	phase, limit := "", 2*time.Minute
	command := &cobra.Command{
		Use:   "devices --issuer <url> --exchange <url> --sharepoint <url> [--phase <on|report_only>] [--nodes <n>]",
		Short: "Lets the demo's devices and thieves try a proxy",
		Args:  cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			ctx, cancel := untilSignalled(command)
			defer cancel()
			ctx, cancelLimit := context.WithTimeout(ctx, limit)
			defer cancelLimit()
			return demo.RunDevices(ctx, command.OutOrStdout(), demo.Phase(phase), endpoints)
		}),
	}
	flags := command.Flags()
	flags.StringVar(&endpoints.Issuer, "issuer", "", "the issuer's URL")
	flags.StringVar(&endpoints.Exchange, "exchange", "", "the URL of the proxy's Exchange site")
	flags.StringVar(&endpoints.SharePoint, "sharepoint", "", "the URL of the proxy's SharePoint site")
	flags.IntVar(&endpoints.Nodes, "nodes", 1, "how many proxies stand behind the sites, if X-Node says which one has answered")
	flags.StringVar(&phase, "phase", string(demo.On), "the state that the policy is in")
	required(command, "issuer", "exchange", "sharepoint")
	return command
}
