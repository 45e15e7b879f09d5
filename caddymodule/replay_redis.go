// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
)

func (r *Replay) setDefaults() {
	setDefault(&r.Store, storeMemory)
	setDefault(&r.MaxEntries, defaultMaxEntries)
	setDefault(&r.MaxPerKey, defaultMaxPerKey)
	if r.Store == storeRedis {
		setDefault(&r.KeyPrefix, defaultKeyPrefix)
		setDefault(&r.OnOutage, outageBlock)
		setDefault(&r.Consistency, consistencyNormal)
	}
}

// check finds mistakes without resolving placeholders or reading files.
func (r *Replay) check() error {
	switch r.Store {
	case storeMemory:
		if r.URL != "" || r.Sentinel != "" || r.Cluster {
			return errors.New("replay: memory has no server; expected the store redis")
		}
		return nil
	case storeRedis:
		return errors.Join(r.checkWords(), r.checkURL())
	}
	if strings.Contains(r.Store, "@") { // a URL with a password in it
		return errors.New("replay: not the name of a store; expected memory or redis")
	}
	return fmt.Errorf("replay: %q is not known; expected memory or redis", r.Store)
}

func (r *Replay) checkWords() error {
	for _, word := range []struct {
		name, value string
		known       []string
	}{
		{"on_outage", r.OnOutage, outages}, {"consistency", r.Consistency, consistencies},
	} {
		if word.value != "" && !slices.Contains(word.known, word.value) {
			return fmt.Errorf("replay: %s %q is not known; expected one of %s", word.name, word.value, strings.Join(word.known, ", "))
		}
	}
	if r.SentinelUsername+r.SentinelPassword != "" && r.Sentinel == "" {
		return errors.New("replay redis: sentinel_username and sentinel_password without sentinel; expected all or none")
	}
	return nil
}

var (
	outages       = []string{outageBlock, outageNonce}
	consistencies = []string{consistencyNormal, consistencyStrict}
)

// location reads the URL with something harmless in the place of placeholders.
func (r *Replay) location() (enforcement.ReplayLocation, error) {
	switch {
	case r.URL == "":
		return enforcement.ReplayLocation{}, errors.New("replay redis: the URL is missing; expected redis:// or rediss://")
	case strings.HasPrefix(r.URL, "{"): // the placeholder of a whole URL
		return enforcement.ReplayLocation{Addresses: []string{"placeholder:0"}, TLS: true}, nil
	}
	location, err := enforcement.ParseReplayURL(r.URL, func(string) (string, error) { return "0", nil })
	if err != nil {
		return location, fmt.Errorf("replay %w", err)
	}
	return location, nil
}

// checkURL looks at the URL and the words together.
func (r *Replay) checkURL() error {
	location, err := r.location()
	switch {
	case err != nil:
		return err
	case len(r.CA) > 0 && !location.TLS:
		return errors.New("replay redis: ca for a connection without TLS; expected rediss://")
	}
	store, err := enforcement.NewReplayStore(r.settings(location))
	if err != nil {
		return fmt.Errorf("replay %w", err)
	}
	store.Close()
	return nil
}

// settings are what a location and the words make.
func (r *Replay) settings(l enforcement.ReplayLocation) enforcement.ReplayConfig {
	config := enforcement.ReplayConfig{
		Addresses: l.Addresses, Database: l.Database, Username: l.Username, Password: l.Password,
		Cluster: r.Cluster, Sentinel: r.Sentinel, Prefix: r.KeyPrefix, Strict: r.Consistency == consistencyStrict,
	}
	if r.OnOutage == outageNonce {
		config.OnOutage = enforcement.AcceptOwnNonces
	}
	if l.TLS {
		config.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return config
}

// redis compiles the configuration: it puts in what placeholders stand for,
// and reads the authorities.
func (r *Replay) redis() (enforcement.ReplayConfig, error) {
	text, err := r.URL, error(nil)
	if strings.HasPrefix(text, "{") {
		if text, err = resolveSecret(text); err != nil {
			return enforcement.ReplayConfig{}, fmt.Errorf("replay redis: URL: %w", err)
		}
	}
	location, err := enforcement.ParseReplayURL(text, resolveSecret)
	if err != nil {
		return enforcement.ReplayConfig{}, fmt.Errorf("replay %w", err)
	}
	config := r.settings(location)
	for _, secret := range []struct {
		configured string
		into       *string
	}{{r.SentinelUsername, &config.SentinelUsername}, {r.SentinelPassword, &config.SentinelPassword}} {
		if secret.configured == "" {
			continue
		}
		if *secret.into, err = resolveSecret(secret.configured); err != nil {
			return enforcement.ReplayConfig{}, fmt.Errorf("replay redis: sentinel_username, sentinel_password: %w", err)
		}
	}
	if len(r.CA) > 0 && config.TLS != nil {
		config.TLS.RootCAs, err = authorities(r.CA)
	}
	return config, err
}

// authorities reads the certificates in PEM files.
func authorities(paths []string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("ca: %w; expected a PEM file that can be read", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca: %s has no certificate; expected PEM", path)
		}
	}
	return pool, nil
}

// fingerprint tells connections apart without showing their secrets. Files are
// named, not read: a store goes on with the authorities that it began with.
func (r *Replay) fingerprint(c enforcement.ReplayConfig) string {
	hash := sha256.New()
	for _, part := range append([]string{
		c.Sentinel, c.Username, c.Password, c.SentinelUsername, c.SentinelPassword, c.Prefix,
		fmt.Sprint(c.Cluster, c.Database, c.TLS != nil, c.OnOutage, c.Strict, len(c.Addresses), len(r.CA)),
	}, slices.Concat(c.Addresses, r.CA)...) {
		fmt.Fprintf(hash, "%d %s ", len(part), part)
	}
	return fmt.Sprintf("%x", hash.Sum(nil)[:16])
}

// report logs when the store stops answering and when it answers again. The
// store outlives configurations, so the logger is that of the moment.
func report(onOutage string) func(error) {
	return func(err error) {
		logger := caddy.Log().Named("token_protection.replay")
		if err != nil {
			logger.Error("the replay store does not answer", zap.Error(err), zap.String("on_outage", onOutage))
			return
		}
		logger.Info("the replay store answers again")
	}
}
