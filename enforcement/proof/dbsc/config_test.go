// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package dbsc

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenprotection/caddy-token-protection/cache"
)

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := New(Config{
		SessionCookies: []string{"a b", "FedAuth", "fedauth", linkCookie},
		Path:           "/x/",
		Secrets:        [][]byte{[]byte("short-and-secret")[:15]},
		BoundLife:      time.Millisecond,
		Grace:          -1,
		SessionLife:    401 * 24 * time.Hour,
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"a b" is not the name`, `"fedauth" is there twice`, linkCookie, "path", "15 bytes", "bound life", "grace", "session life", "memory"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Error("the error tells the secret")
	}
}

func TestNewRefuses(t *testing.T) {
	replay, err := cache.NewReplay(cache.ReplayConfig{MaxEntries: 1, MaxPerKey: 1, Lifetime: time.Hour, Start: epoch})
	if err != nil {
		t.Fatal(err)
	}
	good := Config{SessionCookies: []string{"a"}, Secrets: [][]byte{secret}, Memory: replay}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no cookie":         func(c *Config) { c.SessionCookies = nil },
		"too many cookies":  func(c *Config) { c.SessionCookies = strings.Split(strings.Repeat("x ", 33), " ") },
		"no secret":         func(c *Config) { c.Secrets = nil },
		"root path":         func(c *Config) { c.Path = "/" },
		"relative path":     func(c *Config) { c.Path = "x" },
		"dotted path":       func(c *Config) { c.Path = "/x/../y" },
		"path with a quote": func(c *Config) { c.Path = `/x";challenge="` },
		"no memory":         func(c *Config) { c.Memory = nil },
	} {
		bad := good
		change(&bad)
		if _, err := New(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestConnectionOrigin(t *testing.T) {
	for host, want := range map[string]string{"App.example.test": "https://app.example.test", "a:443": "https://a", "a:8443": "https://a:8443", "": ""} {
		if got := connectionOrigin(&http.Request{Host: host, TLS: &tls.ConnectionState{}}); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
	if got := connectionOrigin(&http.Request{Host: "a"}); got != "" {
		t.Errorf("without TLS: %q", got)
	}
}
