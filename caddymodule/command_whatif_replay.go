// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// whatIfReplay are the flags that say which sign-ins of the past are judged.
type whatIfReplay struct {
	logs   []string
	rolled bool
	filter filterOptions
}

// replayFlags mean nothing without a log.
var replayFlags = []string{"rolled", "from", "to"}

func (o *whatIfReplay) flags(command *cobra.Command) {
	o.filter.flags(command)
	flags := command.Flags()
	flags.StringArrayVar(&o.logs, "log", nil, "a sign-in log whose sign-ins are judged; repeatable, and further files may follow")
	flags.BoolVar(&o.rolled, "rolled", false, "with --log: read also the files that Caddy rolled each log into")
	for _, name := range replayFlags[1:] {
		flag := flags.Lookup(name)
		flag.Usage = "with --log: " + flag.Usage
	}
}

// withoutLog refuses what only makes sense with a log.
func withoutLog(command *cobra.Command, arguments []string) error {
	if len(arguments) > 0 {
		return fmt.Errorf("%q: expected only flags; logs follow --log", arguments)
	}
	for _, name := range replayFlags {
		if command.Flags().Changed(name) {
			return fmt.Errorf("--%s: given without --log; expected both", name)
		}
	}
	return nil
}

// runReplay judges the sign-ins of logs by the policies, and prints whose outcome would be another.
func (o *whatIfOptions) runReplay(command *cobra.Command, paths []string) error {
	filter, err := o.replay.filter.parse(time.Now())
	if err != nil {
		return err
	}
	stderr := command.ErrOrStderr()
	rules, err := o.files.read(stderr)
	if err != nil {
		return err
	}
	rules.adviseReplay(stderr)
	changes := &signin.Changes{Filter: filter, Change: enforcement.Hindsight{Policies: rules.set}.Change}
	logs := logFiles{stdin: command.InOrStdin(), stderr: stderr, rolled: o.replay.rolled}
	if err := logs.read(paths, changes.Add); err != nil {
		return err
	}
	report := changes.Report()
	if report.Requests == 0 {
		fmt.Fprintln(stderr, "warning: no sign-in fits the filters")
	}
	warnOfFolded(stderr, report.FoldedRequests)
	write, err := written{report.WriteTable, report.WriteJSON, report.WriteCSV}.as(o.format)
	if err != nil {
		return err
	}
	return write(command.OutOrStdout())
}

// adviseReplay warns where a policy cannot be told to target a resource: a log names it by its application id, which only the
// configuration has.
func (r whatIfRules) adviseReplay(stderr io.Writer) {
	if r.resources != nil {
		return
	}
	if unknown := r.set.UnknownResources(nil); len(unknown) > 0 {
		fmt.Fprintf(stderr, "warning: without --config, %s are found only in logs that name them so, and not under an application id\n", strings.Join(unknown, ", "))
	}
}
