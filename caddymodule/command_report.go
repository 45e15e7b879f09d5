// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

func reportCommand() *cobra.Command {
	var options reportOptions
	command := &cobra.Command{
		Use:   "report <file>...",
		Short: "Sums up sign-in logs per app and per user, or lists who is ready for enforcement, or unused exclusions",
		Long: `Reads sign-in log files and prints per app and per user how many requests the
policies allow and block, report-only ones included: what to look at before a
policy is turned on. Files may be packed with gzip or zstd; - is standard input.

With --known-good it prints the users whose every request was bound, as the
users block of a policy to paste into the Caddyfile, and the unbound requests by
reason. With --exclusions it lists whom the policies of a configuration exclude,
and which of these exclusions nobody used.

Times are RFC 3339 (2026-03-04T05:06:07Z), a date, which is its first moment in
UTC, or a time ago, such as 7d, 24h or 30m.`,
		Args: cobra.MinimumNArgs(1),
		RunE: quiet(func(command *cobra.Command, paths []string) error {
			return options.run(command, paths)
		}),
	}
	options.filter.flags(command)
	command.Flags().StringArrayVar(&options.filter.policies, "policy", nil, "only what this policy, by id or name, made of the sign-ins; repeatable")
	flags := command.Flags()
	flags.StringVar(&options.format, "format", "table", "table, json or csv")
	flags.BoolVar(&options.rolled, "rolled", false, "read also the files that Caddy rolled each log into")
	flags.BoolVar(&options.knownGood, "known-good", false, "list the users that are ready for enforcement, and the unbound requests by reason")
	flags.IntVar(&options.minRequests, "min-requests", 10, "with --known-good: requests that a user needs")
	flags.IntVar(&options.minDays, "min-days", 3, "with --known-good: days on which a user needs to be seen")
	flags.StringVar(&options.exclusions, "exclusions", "", "list the use of the exclusions in this Caddyfile, JSON configuration, or file of policies in Graph's shape")
	command.MarkFlagsMutuallyExclusive("known-good", "exclusions")
	return command
}

type reportOptions struct {
	format, exclusions   string
	filter               filterOptions
	rolled, knownGood    bool
	minRequests, minDays int
}

// written is a report of either kind, in all formats.
type written struct{ table, json, csv func(io.Writer) error }

func (w written) as(format string) (func(io.Writer) error, error) {
	switch format {
	case "table":
		return w.table, nil
	case "json":
		return w.json, nil
	case "csv":
		return w.csv, nil
	}
	return nil, fmt.Errorf("--format %q: expected table, json or csv", format)
}

func (o *reportOptions) run(command *cobra.Command, paths []string) error {
	filter, err := o.filter.parse(time.Now())
	if err != nil {
		return err
	}
	if _, err := (written{}).as(o.format); err != nil {
		return err
	}
	if o.minDays < 0 || o.minDays > signin.MaxDays {
		return fmt.Errorf("--min-days %d: expected 0 to %d", o.minDays, signin.MaxDays)
	}
	logs := logFiles{stdin: command.InOrStdin(), stderr: command.ErrOrStderr(), rolled: o.rolled}
	add, report, err := o.report(filter, logs.stderr)
	if err != nil {
		return err
	}
	if err := logs.read(paths, add); err != nil {
		return err
	}
	write, err := report().as(o.format)
	if err != nil {
		return err
	}
	return write(command.OutOrStdout())
}

// report returns how to count and what comes of it. It warns of what the report leaves out.
func (o *reportOptions) report(filter signin.Filter, stderr io.Writer) (add func(*signin.Entry), report func() written, err error) {
	switch {
	case o.exclusions != "":
		list, err := readExclusions(o.exclusions)
		if err != nil {
			return nil, nil, fmt.Errorf("--exclusions: %w", err)
		}
		x := signin.NewExclusions(list, filter)
		return x.Add, func() written {
			report := x.Report()
			return written{report.WriteTable, report.WriteJSON, report.WriteCSV}
		}, nil
	case o.knownGood:
		readiness := &signin.Readiness{Filter: filter, MinRequests: o.minRequests, MinDays: o.minDays}
		return readiness.Add, func() written { return knownGood(readiness, stderr) }, nil
	}
	summary := &signin.Summary{Filter: filter}
	return summary.Add, func() written { return perAppAndUser(summary, stderr) }, nil
}

func knownGood(readiness *signin.Readiness, stderr io.Writer) written {
	report := readiness.Report()
	if report.UntrackedRequests > 0 {
		fmt.Fprintf(stderr, "warning: %d requests of further users are not considered: at most %d users are\n", report.UntrackedRequests, signin.MaxRows)
	}
	return written{report.WriteCaddyfile, report.WriteJSON, report.WriteCSV}
}

func perAppAndUser(summary *signin.Summary, stderr io.Writer) written {
	report := summary.Report()
	if len(report.Apps) == 0 {
		fmt.Fprintln(stderr, "warning: no sign-in to which a token protection policy applied fits the filters")
	}
	warnOfFolded(stderr, report.FoldedRequests)
	return written{report.WriteTable, report.WriteJSON, report.WriteCSV}
}

// warnOfFolded says that a table was too short for the log.
func warnOfFolded(stderr io.Writer, requests int) {
	if requests > 0 {
		fmt.Fprintf(stderr, "warning: %d requests are counted under %s, and users are undercounted: a table has at most %d rows\n", requests, signin.Others, signin.MaxRows)
	}
}

// summarise reports on plain log files.
func summarise(stdin io.Reader, paths []string) (signin.Report, error) {
	var summary signin.Summary
	logs := logFiles{stdin: stdin, stderr: io.Discard}
	err := logs.read(paths, summary.Add)
	return summary.Report(), err
}
