// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// What happened, as Caddy's `events` option subscribes to it. Each comes with
// the sign-in record of the same decision, so at most once an interval for one
// user, device and outcome: a flood of refusals is no flood of events.
const (
	eventBlocked           = "token_protection_blocked"
	eventReportOnlyFailure = "token_protection_report_only_failure" // the first of a user
	eventKeyShared         = "token_protection_key_shared"          // a device key that two users proved possession of
	eventReplayDetected    = "token_protection_replay_detected"
	eventBreakGlass        = "token_protection_break_glass"
)

// announcements emits events. Subscribers run before the request goes on.
type announcements struct {
	ctx  caddy.Context
	app  *caddyevents.App
	news *enforcement.Novelty
}

// provisionEvents finds Caddy's events app.
func (h *Handler) provisionEvents(ctx caddy.Context, app *App) error {
	events, err := ctx.App("events")
	if err != nil {
		return err
	}
	news, err := take(&app.holds, "events", enforcement.NewNovelty)
	h.events = announcements{ctx: ctx, app: events.(*caddyevents.App), news: news}
	return err
}

// announce emits what a decision that was recorded is worth telling.
func (a *announcements) announce(resource string, d *enforcement.Decision) {
	if !d.Recorded || a.app == nil {
		return
	}
	user := d.UserID()
	for _, event := range []struct {
		name     string
		happened bool
	}{
		{eventBlocked, !d.Allow},
		{eventReplayDetected, d.Reason == reason.ProofReplayed},
		{eventBreakGlass, d.BreakGlass},
		{eventReportOnlyFailure, wouldBlock(d) && a.news.FirstFailure(user)},
		{eventKeyShared, d.Bound && a.news.SharedKey(d.Binding.Key, user)},
	} {
		if event.happened {
			a.app.Emit(a.ctx, event.name, details(resource, user, d))
		}
	}
}

// wouldBlock reports whether a policy in report-only state failed.
func wouldBlock(d *enforcement.Decision) bool {
	for i := range d.Outcomes {
		if d.Outcomes[i].Result == policy.ReportOnlyFailure {
			return true
		}
	}
	return false
}

// details are what subscribers learn. Nothing in them is secret.
func details(resource, user string, d *enforcement.Decision) map[string]any {
	data := map[string]any{
		"resource": resource, "user_id": user, "allow": d.Allow, "bound": d.Bound,
		"code": d.Code(), "reason": string(d.Reason), "correlation_id": d.CorrelationID(),
	}
	if d.Claims != nil {
		data["user"], data["device_id"], data["client"] = d.Claims.User, d.Claims.Device, d.Claims.Client
	}
	if d.Binding.Scheme != "" {
		data["thumbprint"] = d.Binding.Key.String()
	}
	return data
}
