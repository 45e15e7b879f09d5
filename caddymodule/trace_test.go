// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"maps"
	"net/http"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/token"
)

// recording returns a context with a span, and what its attributes are in the end.
func recording(t testing.TB) (context.Context, func() map[string]string) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, span := provider.Tracer("test").Start(context.Background(), "request")
	return ctx, func() map[string]string {
		span.End()
		attributes := make(map[string]string)
		for _, attribute := range recorder.Ended()[0].Attributes() {
			attributes[string(attribute.Key)] = attribute.Value.String()
		}
		return attributes
	}
}

func TestSpansHaveTheDecision(t *testing.T) {
	for name, test := range map[string]struct {
		decision enforcement.Decision
		want     map[string]string
	}{
		"allowed": {
			enforcement.Decision{Allow: true, Bound: true, Binding: proof.Binding{Scheme: proof.DPoP}, Claims: &token.Claims{User: "alice", UserID: "alice-id", Device: "device-1", ID: "token-1"}},
			map[string]string{attributeResource: "exchange", attributeDecision: "allow", attributeStatus: "bound", attributeScheme: "dpop", attributeCode: "0"},
		},
		"refused": {
			enforcement.Decision{Reason: reason.SchemeMismatch, Credential: enforcement.Credential{Scheme: enforcement.SchemeBearer, Token: "secret"}},
			map[string]string{attributeResource: "exchange", attributeDecision: "block", attributeStatus: "unbound", attributeCode: "1008", attributeReason: "scheme_mismatch"},
		},
	} {
		ctx, attributes := recording(t)
		annotate(ctx, "exchange", &test.decision)
		if got := attributes(); !maps.Equal(got, test.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The correlation id leads from a trace to the record, where there is one.
func TestSpansNameTheRecord(t *testing.T) {
	ctx, attributes := recording(t)
	d := &enforcement.Decision{Recorded: true}
	annotate(ctx, "exchange", d)
	if got := attributes()[attributeCorrelationID]; got != d.CorrelationID() {
		t.Errorf("correlation id %q", got)
	}
}

// The handler annotates the span of its request.
func TestHandlerAnnotatesItsSpan(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn}.load(t)
	for decision, r := range map[string]*http.Request{"allow": proven(t, i, device, "/ews"), "block": request("/ews", "")} {
		ctx, attributes := recording(t)
		send(t, r.WithContext(ctx))
		if got := attributes(); got[attributeDecision] != decision || got[attributeResource] != "exchange" {
			t.Errorf("%s: %v", decision, got)
		}
	}
}

func TestAnnotateWithoutATraceAllocatesNothing(t *testing.T) {
	d := &enforcement.Decision{Allow: true, Bound: true}
	if allocations := testing.AllocsPerRun(100, func() { annotate(t.Context(), "exchange", d) }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// As deep as Caddy's own contexts are.
func BenchmarkAnnotateWithoutATrace(b *testing.B) {
	type key int
	ctx := context.Background()
	for i := range 12 {
		ctx = context.WithValue(ctx, key(i), i)
	}
	d := &enforcement.Decision{Allow: true, Bound: true}
	b.ReportAllocs()
	for b.Loop() {
		annotate(ctx, "exchange", d)
	}
}
