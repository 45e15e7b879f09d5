// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

func whatIfCommand() *cobra.Command {
	var o whatIfOptions
	command := &cobra.Command{
		Use:   "what-if [--config <file>] [--policies <file>] --user <name> --resource <name> [--platform <name> ...]",
		Short: "Says what policies would make of a sign-in",
		Long: `Says which policies would apply to a sign-in, which would not and because of
which condition, and what the decision would be. The policies are those of a
configuration, a Caddyfile or JSON, or a draft: a file of policies as Microsoft
Graph exports them, which replaces those of the configuration.

What is not said of the sign-in is not known, which policies count as in their
scope; the answer names what it rests on. With --expect the exit status is 1
unless the decision is the one expected: a test of policies.`,
		Args: cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			return o.run(command)
		}),
	}
	flags := command.Flags()
	flags.StringVarP(&o.files.config, "config", "c", "", "the configuration file")
	flags.StringVarP(&o.files.adapter, "adapter", "a", "", "the configuration's adapter; default: caddyfile, unless the file ends in .json")
	flags.StringVar(&o.files.policies, "policies", "", "a file of policies in Graph's shape, instead of those of the configuration")
	flags.StringVar(&o.format, "format", "table", "table or json")
	flags.StringVar(&o.expect, "expect", "", "exit with status 1 unless the decision is this: allow or block")
	flags.StringArrayVar(&o.resources, "resource", nil, "the resource, by name or application id")
	o.signIn.flags(command)
	command.MarkFlagsMutuallyExclusive("request", "resource")
	return command
}

type whatIfOptions struct {
	files          whatIfFiles
	format, expect string
	resources      []string
	signIn         whatIfSignIn
}

func (o *whatIfOptions) run(command *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := hush(); err != nil {
		return err
	}
	rules, err := o.files.read(command.ErrOrStderr())
	if err != nil {
		return err
	}
	request, err := o.signIn.read(command.InOrStdin(), o.resources)
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

func (o *whatIfOptions) check() error {
	if o.format != "table" && o.format != "json" {
		return fmt.Errorf("--format %q: expected table or json", o.format)
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
