// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
)

func resolve(text string) (string, error) {
	for name, value := range map[string]string{"{env.P}": "p@ss/w:rd%", "{file./run/p@ss}": "from a file", "{env.H}": "redis.example:7000"} {
		text = strings.ReplaceAll(text, name, value)
	}
	if strings.Contains(text, "{") {
		return "", errors.New("unknown placeholder")
	}
	return text, nil
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]Location{
		"redis://redis.example":                   {Addresses: []string{"redis.example:6379"}},
		"rediss://redis.example:7000/3":           {Addresses: []string{"redis.example:7000"}, TLS: true, Database: 3},
		"redis://127.0.0.1/":                      {Addresses: []string{"127.0.0.1:6379"}},
		"redis://[::1]":                           {Addresses: []string{"[::1]:6379"}},
		"redis://[::1]:7000":                      {Addresses: []string{"[::1]:7000"}},
		"redis://a,b:7000,c":                      {Addresses: []string{"a:6379", "b:7000", "c:6379"}},
		"redis://user:pass@host:6379/0":           {Addresses: []string{"host:6379"}, Username: "user", Password: "pass"},
		"redis://:pass@host":                      {Addresses: []string{"host:6379"}, Password: "pass"},
		"redis://user:p%40ss%2Fword@host":         {Addresses: []string{"host:6379"}, Username: "user", Password: "p@ss/word"},
		"redis://user:p:a:s@host":                 {Addresses: []string{"host:6379"}, Username: "user", Password: "p:a:s"},
		"redis://user:{env.P}@host":               {Addresses: []string{"host:6379"}, Username: "user", Password: "p@ss/w:rd%"},
		"redis://user:{file./run/p@ss}@{env.H}/1": {Addresses: []string{"redis.example:7000"}, Username: "user", Password: "from a file", Database: 1},
	} {
		got, err := ParseURL(text, resolve)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseURLRefusesAndShowsNoSecret(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "not the URL",
		"redis.example:6379":             "not the URL",
		"https://redis.example":          "not the URL",
		"REDIS://redis.example":          "not the URL",
		"redis://":                       "not host or host:port",
		"redis://:6379":                  "not host or host:port",
		"redis://host:port":              "not host or host:port",
		"redis://host:0":                 "not host or host:port",
		"redis://host:65536":             "not host or host:port",
		"redis://::1":                    "not host or host:port",
		"redis://a,,b":                   "not host or host:port",
		"redis://host/one":               "not a number",
		"redis://host/-1":                "not a number",
		"redis://host/01":                "not a number",
		"redis://host?db=1":              "a query",
		"redis://host#1":                 "a query",
		"redis://hunter2@host":           "no password",
		"redis://user:hunter2%@host":     "not percent-encoded",
		"redis://user:hunter2{x}@host":   "unknown placeholder",
		"redis://user:hunter2":           "not host or host:port",
		"redis://user:x/hunter2":         "not a number",
		"redis://user:hunter2@host:port": "not host or host:port",
	} {
		_, err := ParseURL(text, resolve)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseURLReturnsWhatCanBeDialled(f *testing.F) {
	for _, text := range []string{"redis://a", "rediss://u:p@a:1,b/2", "redis://u:{env.P}@[::1]", "redis://{env.H}", "redis://u:{@a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseURL(text, resolve)
		if err != nil {
			return
		}
		for _, address := range l.Addresses {
			if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
				t.Errorf("%q: address %q", text, address)
			}
		}
		if len(l.Addresses) == 0 || l.Database < 0 || l.Username != "" && l.Password == "" {
			t.Errorf("%q: %+v", text, l)
		}
	})
}
