// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/tokenprotection/caddy-token-protection/client"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "token-protection",
		Short: "Tries, observes and operates token protection",
		Long: `
Tries, observes and operates token protection. The demo runs everything in one
process and shows what devices and thieves get; keygen and proof let you be a
device with curl; report sums up the sign-in log, and insights shows it; doctor
looks whether it can work here; verify explains how one request is judged, and
what-if how policies would judge a sign-in that has not taken place.`,
		CobraFunc: func(command *cobra.Command) {
			command.AddCommand(demoCommand(), reportCommand(), insightsCommand(), keygenCommand(), proofCommand(), healthCommand(), doctorCommand(), verifyCommand(), whatIfCommand())
		},
	})
}

// quiet keeps cobra from printing the usage under an error that is not about it.
func quiet(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, arguments []string) error {
		command.SilenceUsage = true
		return run(command, arguments)
	}
}

// untilSignalled is done when the user interrupts the command.
func untilSignalled(command *cobra.Command) (context.Context, context.CancelFunc) {
	parent := command.Context()
	if parent == nil {
		parent = context.Background()
	}
	return signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
}

func keygenCommand() *cobra.Command {
	var out, algorithm string
	command := &cobra.Command{
		Use:   "keygen --out <file> [--alg <name>]",
		Short: "Makes a device key",
		Long:  "Makes a device key, writes it to a file as a private JWK that only you can read, and prints its RFC 7638 thumbprint: the cnf.jkt of a token that is bound to it.",
		Args:  cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			key, err := client.GenerateKey(client.Algorithm(algorithm))
			if err != nil {
				return err
			}
			if _, err := os.Lstat(out); err == nil {
				return fmt.Errorf("--out %s: exists; a key that is overwritten is lost, with the tokens bound to it", out)
			}
			if err := key.Save(out); err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), key.Thumbprint())
			return err
		}),
	}
	command.Flags().StringVar(&out, "out", "", "the file to write")
	command.Flags().StringVar(&algorithm, "alg", string(client.ES256), "ES256, ES384, ES512, EdDSA, RS256 or PS256")
	required(command, "out")
	return command
}

func proofCommand() *cobra.Command {
	var keyFile, tokenFile string
	var p client.Proof
	command := &cobra.Command{
		Use:   "proof --key <file> --url <url> [--method <method>] [--token <token> | --token-file <file>] [--nonce <nonce>]",
		Short: "Prints a DPoP proof for curl",
		Long: `Prints the value of a DPoP header for one request (RFC 9449). Each request
needs a new one. With a token the proof holds its hash: use --token-file, or -
for standard input, where the command line is visible to others.`,
		Args: cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			key, err := client.LoadKey(keyFile)
			if err != nil {
				return err
			}
			if tokenFile != "" {
				if p.AccessToken, err = readToken(command.InOrStdin(), tokenFile); err != nil {
					return err
				}
			}
			proof, err := key.Proof(p)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), proof)
			return err
		}),
	}
	flags := command.Flags()
	flags.StringVar(&keyFile, "key", "", "the device key, as keygen wrote it")
	flags.StringVar(&p.URL, "url", "", "the request's URL")
	flags.StringVar(&p.Method, "method", "GET", "the request's method")
	flags.StringVar(&p.AccessToken, "token", "", "the access token")
	flags.StringVar(&tokenFile, "token-file", "", "a file that holds the access token; - is standard input")
	flags.StringVar(&p.Nonce, "nonce", "", "the server's last DPoP-Nonce")
	required(command, "key", "url")
	command.MarkFlagsMutuallyExclusive("token", "token-file")
	return command
}

func required(command *cobra.Command, names ...string) {
	for _, name := range names {
		_ = command.MarkFlagRequired(name) // fails only for a flag that is not there
	}
}

func readToken(stdin io.Reader, path string) (string, error) {
	source := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer file.Close()
		source = file
	}
	text, err := io.ReadAll(io.LimitReader(source, 64<<10))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("%s: empty, expected an access token", path)
	}
	return token, nil
}

func healthCommand() *cobra.Command {
	url, timeout := "", 3*time.Second
	command := &cobra.Command{
		Use:   "health --url <url>",
		Short: "Asks a URL and exits 0 if it answers well",
		Long:  "Asks a URL and exits with status 0 if the answer is below 400: a health check for containers that hold nothing but this binary.",
		Args:  cobra.NoArgs,
		RunE: quiet(func(command *cobra.Command, _ []string) error {
			response, err := (&http.Client{Timeout: timeout}).Get(url)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if response.StatusCode >= 400 {
				return fmt.Errorf("%s answered %d", url, response.StatusCode)
			}
			return nil
		}),
	}
	command.Flags().StringVar(&url, "url", "", "what to ask")
	command.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait")
	required(command, "url")
	return command
}
