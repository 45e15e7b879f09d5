// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	asJSON, timeout := false, 30*time.Second
	d := &doctor{now: time.Now, build: build()}
	command := &cobra.Command{
		Use:   "doctor [--config <file>] [--adapter <name>] [--address <address>] [--json]",
		Short: "Looks whether token protection can work here, and says what to do",
		Long: `Looks at a configuration file, at what it depends on and at the server that
runs: whether the file is valid and protects something, what is unwise about its
policies, whether proofs could get into a log, whether the issuers' keys can be
had, whether the clock agrees with the issuers', and what the running server
decided last. One line a check: ok, warn, FAIL, or skip where nothing could be
looked at. The exit status is 1 if a check fails.`,
		Args: cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			ctx, cancel := untilSignalled(command)
			defer cancel()
			ctx, cancelTimeout := context.WithTimeout(ctx, timeout)
			defer cancelTimeout()
			if err := d.examine(ctx); err != nil {
				return err
			}
			return d.report(command.OutOrStdout(), asJSON)
		}),
	}
	flags := command.Flags()
	flags.StringVarP(&d.config, "config", "c", "Caddyfile", "the configuration file")
	flags.StringVarP(&d.adapter, "adapter", "a", "", "the configuration's adapter; default: caddyfile, unless the file ends in .json")
	flags.StringVar(&d.address, "address", "", "the address of the running server's admin API; default: localhost:2019, if it answers")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.DurationVar(&timeout, "timeout", timeout, "how long to wait in all")
	return command
}

// report prints the findings. The error says how many checks failed.
func (d *doctor) report(out io.Writer, asJSON bool) error {
	if err := d.print(out, asJSON); err != nil {
		return err
	}
	if failed := d.failed(); failed > 0 {
		return fmt.Errorf("%d %s failed", failed, plural(failed, "check", "checks"))
	}
	return nil
}

func (d *doctor) print(out io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "\t")
		return encoder.Encode(d.findings)
	}
	for _, f := range d.findings {
		line := fmt.Sprintf("%-4s  %-15s  %s", f.Level, f.Check, f.Text)
		if f.Hint != "" {
			line += " Hint: " + f.Hint + "."
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}
