// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

func whatIfCommand() *cobra.Command {
	var o whatIfOptions
	command := &cobra.Command{
		Use: `what-if [--config <file>] [--policies <file>] --user <name> --resource <name> [--platform <name> ...]
  what-if [--config <file>] --policies <file> --log <file>...`,
		Short: "Says what policies would make of a sign-in, or of those in a log",
		Long: `Says which policies would apply to a sign-in, which would not and because of
which condition, and what the decision would be. The policies are those of a
configuration, a Caddyfile or JSON, or a draft: a file of policies as Microsoft
Graph exports them, which replaces those of the configuration.

What is not said of the sign-in is not known, which policies count as in their
scope; the answer names what it rests on. With --expect the exit status is 1
unless the decision is the one expected: a test of policies.

With --log it judges the sign-ins of logs by the policies, and lists whose outcome
would be another, and how often that rests on what the log does not say: groups,
roles, and whether a key is hardware-backed. There, too, what is not known counts
as in scope. Files may be packed with gzip or zstd; - is standard input.`,
		RunE: quiet(func(command *cobra.Command, arguments []string) error {
			if err := o.check(command, arguments); err != nil {
				return err
			}
			if err := hush(); err != nil {
				return err
			}
			if len(o.replay.logs) > 0 {
				return o.runReplay(command, append(o.replay.logs, arguments...))
			}
			return o.run(command)
		}),
	}
	flags := command.Flags()
	flags.StringVarP(&o.files.config, "config", "c", "", "the configuration file")
	flags.StringVarP(&o.files.adapter, "adapter", "a", "", "the configuration's adapter; default: caddyfile, unless the file ends in .json")
	flags.StringVar(&o.files.policies, "policies", "", "a file of policies in Graph's shape, instead of those of the configuration")
	flags.BoolVar(&o.files.turnOn, "turn-on", false, "as if every report-only policy were on")
	flags.StringVar(&o.format, "format", "table", "table or json; csv with --log")
	flags.StringVar(&o.expect, "expect", "", "exit with status 1 unless the decision is this: allow or block")
	o.replay.flags(command)
	flags.Lookup("resource").Usage = "the resource, by name or application id; with --log: sign-ins at it, by display name too, repeatable"
	o.signIn.flags(command)
	command.MarkFlagsMutuallyExclusive("request", "resource")
	for _, name := range append(signInFlags, "request", "expect") {
		command.MarkFlagsMutuallyExclusive("log", name)
	}
	return command
}

type whatIfOptions struct {
	files          whatIfFiles
	format, expect string
	signIn         whatIfSignIn
	replay         whatIfReplay
}

func (o *whatIfOptions) run(command *cobra.Command) error {
	rules, err := o.files.read(command.ErrOrStderr())
	if err != nil {
		return err
	}
	request, err := o.signIn.read(command.InOrStdin(), o.replay.filter.resources)
	if err != nil {
		return err
	}
	if err := rules.checkApplication(request.SignInContext.IncludeApplications[0]); err != nil {
		return fmt.Errorf("%s: %w", o.whereResourceIs(), err)
	}
	answer, err := rules.set.WhatIf(request, time.Now())
	if err != nil {
		return err
	}
	write := printWhatIf
	if o.format == "json" {
		write = writeWhatIf
	}
	if err := write(command.OutOrStdout(), answer); err != nil {
		return err
	}
	if o.expect != "" && answer.Decision != o.expect {
		return fmt.Errorf("--expect %s: the decision is %s", o.expect, answer.Decision)
	}
	return nil
}

// check finds flags that do not go together, and words that are not known.
func (o *whatIfOptions) check(command *cobra.Command, arguments []string) error {
	formats := []string{"table", "json"}
	if len(o.replay.logs) > 0 {
		formats = append(formats, "csv")
	} else if err := withoutLog(command, arguments); err != nil {
		return err
	}
	if !slices.Contains(formats, o.format) {
		return fmt.Errorf("--format %q: expected %s", o.format, strings.Join(formats, " or "))
	}
	if o.expect != "" && o.expect != policy.WhatIfAllow && o.expect != policy.WhatIfBlock {
		return fmt.Errorf("--expect %q: expected %s or %s", o.expect, policy.WhatIfAllow, policy.WhatIfBlock)
	}
	return nil
}

func (o *whatIfOptions) whereResourceIs() string {
	if o.signIn.request != "" {
		return "--request " + o.signIn.request + ": signInContext.includeApplications"
	}
	return "--resource"
}
