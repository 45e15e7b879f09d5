// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// Names of the attributes of a span. Their values come from the configuration
// and from closed sets, the correlation id aside, which leads to the sign-in
// record: there is never a user, a device or a token in them.
const (
	attributeResource      = "token_protection.resource"
	attributeDecision      = "token_protection.decision"
	attributeStatus        = "token_protection.status"
	attributeScheme        = "token_protection.scheme"
	attributeCode          = "token_protection.code"
	attributeReason        = "token_protection.reason"
	attributeCorrelationID = "token_protection.correlation_id"
)

// annotate adds the decision to the request's span, which Caddy's `tracing`
// directive begins. Without one it only looks for it.
func annotate(ctx context.Context, resource string, d *enforcement.Decision) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	attributes := make([]attribute.KeyValue, 0, 7)
	attributes = append(attributes, attribute.String(attributeResource, resource), attribute.Int(attributeCode, d.Code()))
	decision, status := signin.Block, signin.Unbound
	if d.Allow {
		decision = signin.Allow
	}
	if d.Bound {
		status = signin.Bound
		attributes = append(attributes, attribute.String(attributeScheme, string(d.Binding.Scheme)))
	}
	attributes = append(attributes, attribute.String(attributeDecision, decision), attribute.String(attributeStatus, status))
	if d.Reason != "" {
		attributes = append(attributes, attribute.String(attributeReason, string(d.Reason)))
	}
	if d.Recorded {
		attributes = append(attributes, attribute.String(attributeCorrelationID, d.CorrelationID()))
	}
	span.SetAttributes(attributes...)
}
