// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// passes reports whether the handler calls the next one, and what it answers if not.
func passes(t *testing.T, handler caddyhttp.MiddlewareHandler, r *http.Request) (bool, error) {
	t.Helper()
	passed := false
	err := handler.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		passed = true
		return nil
	}))
	return passed, err
}

func TestLimitVerifiesOnePrivateSignatureAfterAnother(t *testing.T) {
	for _, algorithm := range []string{"", "EdDSA", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			handler := &limit{Algorithm: algorithm}
			if err := handler.Provision(caddy.Context{}); err != nil {
				t.Fatal(err)
			}
			for range signatures + 1 {
				if passed, err := passes(t, handler, httptest.NewRequest(http.MethodGet, "/", nil)); !passed || err != nil {
					t.Fatalf("passed %v, %v", passed, err)
				}
			}
			handler.signatures[0].digest = handler.signatures[1].digest
			if handler.verify(handler.signatures[0].digest, handler.signatures[0].signature) {
				t.Error("a signature of something else verifies")
			}
		})
	}
}

func TestLimitWithoutASignatureHashesOnly(t *testing.T) {
	handler := &limit{Algorithm: "none"}
	if err := handler.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	if passed, err := passes(t, handler, httptest.NewRequest(http.MethodGet, "/", nil)); !passed || err != nil {
		t.Errorf("passed %v, %v", passed, err)
	}
}

func TestLimitRefusesOtherAlgorithms(t *testing.T) {
	if err := (&limit{Algorithm: "HS256"}).Provision(caddy.Context{}); err == nil {
		t.Error("HS256 is accepted")
	}
}

func TestDirectivesReadTheirArguments(t *testing.T) {
	var l limit
	if err := l.UnmarshalCaddyfile(caddyfile.NewTestDispenser("bench_limit EdDSA")); err != nil || l.Algorithm != "EdDSA" {
		t.Errorf("%+v, %v", l.Algorithm, err)
	}
	if err := l.UnmarshalCaddyfile(caddyfile.NewTestDispenser("bench_limit EdDSA RS256")); err == nil {
		t.Error("two algorithms are accepted")
	}
	var n naive
	if err := n.UnmarshalCaddyfile(caddyfile.NewTestDispenser("bench_naive key audience url")); err != nil || n.Key != "key" || n.Audience != "audience" || n.URL != "url" {
		t.Errorf("%s %s %s, %v", n.Key, n.Audience, n.URL, err)
	}
	if err := n.UnmarshalCaddyfile(caddyfile.NewTestDispenser("bench_naive key")); err == nil {
		t.Error("one argument is accepted")
	}
}
