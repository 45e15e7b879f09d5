// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// accessLogger is the logger of Caddy's access logs, or the beginning of its name.
const accessLogger = "http.log.access"

// secretFields are what an access log must not show. Caddy redacts
// Authorization and cookies by itself; these it writes in clear.
var secretFields = []string{
	"request>headers>Dpop", "request>headers>Secure-Session-Response", "request>headers>Sec-Secure-Session-Id",
	"request>headers>Client-Cert", "request>headers>X-Forwarded-Client-Cert", "request>headers>X-Arr-Clientcert",
	"request>headers>X-Ms-Refreshtokencredential", "request>headers>X-Ms-Devicecredential",
	"request>headers>Referer", "request>uri", "resp_headers>Dpop-Nonce", "resp_headers>Www-Authenticate",
}

// logEncoder is an encoder's JSON, as far as it matters here.
type logEncoder struct {
	Format string                     `json:"format"`
	Fields map[string]json.RawMessage `json:"fields"`
}

// checkLogs looks whether secrets get into an access log, and whether the
// sign-in log goes anywhere.
func (d *doctor) checkLogs(c *configuration) {
	logs := logsOf(c.whole)
	d.checkAccessLogs(c, logs)
	const check = "sign-in log"
	var takes []string
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		if accepts(logs[name], signin.Logger) && !discards(logs[name]) {
			takes = append(takes, name)
		}
	}
	if len(takes) == 0 {
		d.warn(check, "add a log that includes "+signin.Logger+", as Caddyfile.example does",
			"No log takes the sign-in records: nobody can see what was blocked, or would be.")
		return
	}
	d.ok(check, "Sign-in records go to the log %s.", strings.Join(takes, ", "))
}

func (d *doctor) checkAccessLogs(c *configuration, logs map[string]*caddy.CustomLog) {
	const check = "log filter"
	const hint = "copy the log filter of Caddyfile.example"
	loggers, credentials := accessLoggers(c.whole)
	if credentials {
		d.warn(check, "remove log_credentials from the server's options", "A server logs credentials (log_credentials): access tokens and cookies get into its access log.")
	}
	clean := true
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		log := logs[name]
		if discards(log) || !slices.ContainsFunc(loggers, func(logger string) bool { return accepts(log, logger) }) {
			continue
		}
		if missing := unfiltered(log); len(missing) > 0 {
			clean = false
			d.warn(check, hint, "The log %s takes access logs and shows in clear: %s.", name, strings.Join(missing, ", "))
		}
	}
	switch {
	case len(loggers) == 0:
		d.ok(check, "No access log is configured.")
	case clean && !credentials:
		d.ok(check, "The access logs are filtered.")
	}
}

// logsOf are the configured logs, and the default one, which is always there.
func logsOf(config *caddy.Config) map[string]*caddy.CustomLog {
	logs := make(map[string]*caddy.CustomLog)
	if config.Logging != nil {
		maps.Copy(logs, config.Logging.Logs)
	}
	if logs[caddy.DefaultLoggerName] == nil {
		logs[caddy.DefaultLoggerName] = new(caddy.CustomLog)
	}
	return logs
}

// accessLoggers are the names under which servers write access logs, and
// whether one of them shows credentials.
func accessLoggers(config *caddy.Config) (names []string, credentials bool) {
	var app struct {
		Servers map[string]struct {
			Logs *caddyhttp.ServerLogConfig `json:"logs"`
		} `json:"servers"`
	}
	if json.Unmarshal(config.AppsRaw["http"], &app) != nil {
		return nil, false // there are no sites, or the file would not be valid
	}
	for _, server := range app.Servers {
		if server.Logs == nil {
			continue
		}
		credentials = credentials || server.Logs.ShouldLogCredentials
		names = append(names, accessLogger+dotted(server.Logs.DefaultLoggerName))
		for _, loggers := range server.Logs.LoggerNames {
			for _, logger := range loggers {
				names = append(names, accessLogger+dotted(logger))
			}
		}
	}
	return names, credentials
}

func dotted(name string) string {
	if name == "" {
		return ""
	}
	return "." + name
}

// accepts reports whether a log takes what a logger writes: the longest name
// that covers the logger decides, as in Caddy.
func accepts(log *caddy.CustomLog, logger string) bool {
	covers := func(names []string) (longest int) {
		longest = -1
		for _, name := range names {
			if logger == name || name == "" || strings.HasPrefix(logger, name+".") {
				longest = max(longest, len(name))
			}
		}
		return longest
	}
	included, excluded := covers(log.Include), covers(log.Exclude)
	if len(log.Include) > 0 && included < 0 {
		return false
	}
	return excluded < 0 || included > excluded
}

func discards(log *caddy.CustomLog) bool {
	var writer struct {
		Output string `json:"output"`
	}
	return json.Unmarshal(log.WriterRaw, &writer) == nil && writer.Output == "discard"
}

// unfiltered lists the fields that a log shows in clear.
func unfiltered(log *caddy.CustomLog) []string {
	var encoder logEncoder
	_ = json.Unmarshal(log.EncoderRaw, &encoder) // no encoder is the default one, which filters nothing
	var missing []string
	for _, field := range secretFields {
		if _, filtered := encoder.Fields[field]; !filtered || encoder.Format != "filter" {
			missing = append(missing, field)
		}
	}
	return missing
}
