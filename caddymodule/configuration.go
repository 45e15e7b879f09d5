// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"go.uber.org/zap/zapcore"
)

// maxConfiguration bounds a configuration file, in bytes.
const maxConfiguration = 64 << 20

// configuration is a configuration file as commands look at it: read and
// adapted, but not running.
type configuration struct {
	whole    *caddy.Config
	app      App      // undecorated: nothing is provisioned
	handlers handlers // in the file's order
	warnings []caddyconfig.Warning
}

// readConfiguration reads a configuration file and adapts it. Without an
// adapter, JSON is what ends in .json, and everything else is a Caddyfile.
func readConfiguration(path, adapter string) (*configuration, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfiguration+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfiguration {
		return nil, fmt.Errorf("%s: longer than %d bytes", path, maxConfiguration)
	}
	if adapter == "" && !strings.HasSuffix(path, ".json") {
		adapter = "caddyfile"
	}
	c := new(configuration)
	if adapter != "" {
		adapts := caddyconfig.GetAdapter(adapter)
		if adapts == nil {
			return nil, fmt.Errorf("--adapter %q: not known; expected one such as caddyfile", adapter)
		}
		if text, c.warnings, err = adapts.Adapt(text, map[string]any{"filename": path}); err != nil {
			return nil, err
		}
	}
	return c, c.parse(text)
}

func (c *configuration) parse(document []byte) error {
	if err := caddy.StrictUnmarshalJSON(document, &c.whole); err != nil {
		return err
	}
	if c.whole == nil {
		return errors.New("the configuration is empty")
	}
	raw, ok := c.whole.AppsRaw["token_protection"]
	if !ok {
		return errNotConfigured
	}
	if err := caddy.StrictUnmarshalJSON(raw, &c.app); err != nil {
		return fmt.Errorf("token_protection: %w", err)
	}
	c.app.setDefaults()
	var sites any
	if raw, ok := c.whole.AppsRaw["http"]; ok {
		if err := json.Unmarshal(raw, &sites); err != nil {
			return fmt.Errorf("http: %w", err)
		}
	}
	return c.collect(sites)
}

// collect finds our handlers wherever they are nested.
func (c *configuration) collect(node any) error {
	switch node := node.(type) {
	case []any:
		for _, element := range node {
			if err := c.collect(element); err != nil {
				return err
			}
		}
	case map[string]any:
		if node["handler"] == "token_protection" {
			return c.add(node)
		}
		for _, name := range slices.Sorted(maps.Keys(node)) {
			if err := c.collect(node[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *configuration) add(node map[string]any) error {
	delete(node, "handler")
	raw, err := json.Marshal(node)
	if err != nil {
		return err
	}
	h := new(Handler)
	if err := caddy.StrictUnmarshalJSON(raw, h); err != nil {
		return fmt.Errorf("token_protection handler: %w", err)
	}
	h.setDefaults()
	c.handlers = append(c.handlers, h)
	return nil
}

// validate provisions everything and lets it go again, as `caddy validate`
// does, but opens no log.
func (c *configuration) validate() error {
	whole := *c.whole
	whole.AppsRaw = maps.Clone(c.whole.AppsRaw) // Caddy empties it
	whole.Logging, whole.Admin = quietLogging(), nil
	return caddy.Validate(&whole)
}

// quietLogging keeps a command's output to what the command says. It writes
// nowhere: opening the configured files could leave some that the server,
// which runs as another user, cannot write to.
func quietLogging() *caddy.Logging {
	quiet := new(caddy.CustomLog)
	quiet.Level = zapcore.FatalLevel.String()
	return &caddy.Logging{Logs: map[string]*caddy.CustomLog{caddy.DefaultLoggerName: quiet}}
}

// hush makes Caddy's own logger quiet from here on.
func hush() error {
	return caddy.Validate(&caddy.Config{Logging: quietLogging()})
}
