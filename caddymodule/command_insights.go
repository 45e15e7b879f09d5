// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin/insights"
)

func insightsCommand() *cobra.Command {
	var options insightsOptions
	command := &cobra.Command{
		Use:   "insights <file>... [--out <file> | --listen <address>]",
		Short: "Shows sign-in logs as a page: what policies do, and whom they would lock out",
		Long: `Reads sign-in log files and writes one HTML page that needs nothing else: what
policies made of the requests, by reason, device, platform, client, app,
resource, network and user, over time, and whom a report-only policy would lock
out if it were on. Files may be packed with gzip or zstd; - is standard input.

With --listen it serves the page and follows the logs, when they are rolled too.
The page shows who signed in from where, and asks nobody for a password: unless
the address says otherwise, it listens on this machine only.`,
		Args: cobra.MinimumNArgs(1),
		RunE: quiet(func(command *cobra.Command, paths []string) error {
			return options.run(command, paths)
		}),
	}
	flags := command.Flags()
	flags.StringVar(&options.out, "out", "", "the file to write; default: standard output")
	flags.StringVar(&options.listen, "listen", "", "serve the page at this address, such as :8181, and follow the logs")
	options.filter.flags(command)
	flags.BoolVar(&options.rolled, "rolled", false, "read also the files that Caddy rolled each log into")
	command.MarkFlagsMutuallyExclusive("out", "listen")
	return command
}

type insightsOptions struct {
	out, listen string
	filter      filterOptions
	rolled      bool
}

func (o *insightsOptions) run(command *cobra.Command, paths []string) error {
	filter, err := o.filter.parse(time.Now())
	if err != nil {
		return err
	}
	board := insights.NewBoard(insights.Limits{})
	add := func(e *signin.Entry) {
		if filter.Selects(e) {
			board.Add(e)
		}
	}
	logs := logFiles{stdin: command.InOrStdin(), stderr: command.ErrOrStderr(), rolled: o.rolled}
	if o.listen != "" {
		ctx, stop := untilSignalled(command)
		defer stop()
		return serveInsights(ctx, command.OutOrStdout(), o.listen, board, func(ctx context.Context) error { return logs.follow(ctx, paths, add) })
	}
	if o.out == "" && isTerminal(command.OutOrStdout()) {
		return errors.New("the page is not for a terminal: name a file with --out, or an address with --listen")
	}
	if err := logs.read(paths, add); err != nil {
		return err
	}
	if o.out == "" {
		return board.WritePage(command.OutOrStdout())
	}
	return writeInsights(o.out, board)
}

// writeInsights writes the page to a file that only its owner can read: it names users.
func writeInsights(path string, board *insights.Board) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(board.WritePage(file), file.Close())
}

// serveInsights serves the board while follow fills it, until ctx is done or one of the two fails.
func serveInsights(ctx context.Context, out io.Writer, address string, board *insights.Board, follow func(context.Context) error) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--listen %q: expected host:port or :port: %w", address, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fmt.Errorf("--listen %q: %w", address, err)
	}
	server := &http.Server{
		Handler:           forHost(host, board),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
	}
	fmt.Fprintf(out, "http://%s/\n", listener.Addr())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	followed := make(chan error, 1)
	go func() {
		defer cancel()
		followed <- follow(ctx)
	}()
	err = server.Serve(listener)
	cancel()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return errors.Join(err, <-followed)
}

// forHost serves one page to requests that address this server: a name that somebody else lets resolve to it (DNS
// rebinding) is refused, which addresses and localhost cannot be.
func forHost(listen string, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		switch {
		case net.ParseIP(host) == nil && !strings.EqualFold(host, "localhost") && !strings.EqualFold(host, listen):
			http.Error(w, "unknown host", http.StatusMisdirectedRequest)
		case r.URL.Path != "/":
			http.NotFound(w, r)
		default:
			page.ServeHTTP(w, r)
		}
	})
}
