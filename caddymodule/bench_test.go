// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/target"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// measured are the steps that the handler adds to those of the enforcer, with
// the allocations that each may cost.
var measured = []struct {
	name        string
	allocations float64
	prepare     func(testing.TB) func()
}{
	{"request", 0, func(t testing.TB) func() {
		h, r := unruled(t), prepared()
		return func() { gathered = h.request(r) }
	}},
	{"request, public URL", 0, func(t testing.TB) func() {
		h, r := unruled(t), prepared()
		h.publicURL = target.URL{Scheme: "https", Host: "mail.contoso.example"}
		return func() { gathered = h.request(r) }
	}},
	{"forward", 0, func(t testing.TB) func() {
		h, r := &Handler{}, prepared()
		h.enforcer, h.foreign = new(enforcement.Enforcer), newForeignHeaders(nil)
		decision := &enforcement.Decision{Allow: true, Enforcing: true, Claims: new(token.Claims)}
		return func() { h.forward(r, decision) }
	}},
	{"count", 0, func(t testing.TB) func() {
		c := newCounters("benchmark", unruled(t).enforcer.Policies)
		decision := &enforcement.Decision{Allow: true, Bound: true}
		return func() { c.count(decision, 100*time.Microsecond) }
	}},
}

var gathered enforcement.Request // so that it is not optimised away

// unruled is a handler whose requests no policy applies to.
func unruled(t testing.TB) *Handler {
	policies, err := policy.Compile(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := new(Handler)
	h.enforcer = &enforcement.Enforcer{Config: enforcement.Config{Policies: policies}}
	return h
}

// prepared is a request as Caddy hands it to a handler.
func prepared() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://mail.contoso.example/owa/service.svc", nil)
	for name, value := range map[string]string{
		"User-Agent": "Microsoft Office/16.0 (Windows NT 10.0)", "Accept": "application/json", "Authorization": "DPoP token", "Dpop": "proof",
	} {
		r.Header.Set(name, value)
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), new(caddyhttp.Server))
}

func BenchmarkHandler(b *testing.B) {
	for _, m := range measured {
		b.Run(m.name, func(b *testing.B) {
			run := m.prepare(b)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

// Design, section 4, "The hot path allocates little". Not under the race
// detector, whose own allocations would be counted.
func TestTheHandlerAllocatesLittle(t *testing.T) {
	for _, m := range measured {
		run := m.prepare(t)
		if got := testing.AllocsPerRun(100, run); got > m.allocations {
			t.Errorf("%s: %v allocations; want at most %v", m.name, got, m.allocations)
		}
	}
}
