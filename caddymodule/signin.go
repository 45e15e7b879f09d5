// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"time"

	"go.uber.org/zap"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin/insights"
)

// provisionSignIns makes the sign-in log, and the board of what it says.
func (a *App) provisionSignIns() (err error) {
	a.board, err = take(&a.holds, "insights", func() (*insights.Board, error) {
		return insights.NewBoard(insights.Limits{}), nil
	})
	if err != nil {
		return err
	}
	write, entries := signInSink(a.logger.Named("sign_in")), new(signin.Entries)
	a.signIns = signin.New(signin.Config{Interval: time.Duration(*a.SignInLog.Interval), Sink: recent.watching(func(r signin.Record) {
		write(r)
		a.board.Add(entries.Of(&r))
	})})
	return nil
}

// signInSink writes sign-in records to a logger, so that Caddy's own `log`
// option routes, rotates and ships them.
func signInSink(logger *zap.Logger) func(signin.Record) {
	return func(r signin.Record) {
		logger.Info("sign-in",
			zap.String("TimeGenerated", r.TimeGenerated),
			zap.String("Id", r.ID),
			zap.String("CorrelationId", r.CorrelationID),
			zap.Bool("IsInteractive", r.IsInteractive),
			zap.String("UserPrincipalName", r.UserPrincipalName),
			zap.String("UserId", r.UserID),
			zap.String("UserType", r.UserType),
			zap.String("AppId", r.AppID),
			zap.String("AppDisplayName", r.AppDisplayName),
			zap.String("ResourceIdentity", r.ResourceIdentity),
			zap.String("ResourceDisplayName", r.ResourceDisplayName),
			zap.String("IPAddress", r.IPAddress),
			zap.String("UserAgent", r.UserAgent),
			zap.String("ClientAppUsed", r.ClientAppUsed),
			zap.Reflect("DeviceDetail", r.DeviceDetail),
			zap.Reflect("Status", r.Status),
			zap.String("ResultType", r.ResultType),
			zap.String("ConditionalAccessStatus", r.ConditionalAccessStatus),
			zap.String("ConditionalAccessPolicies", r.ConditionalAccessPolicies),
			zap.Reflect("TokenProtectionStatusDetails", r.TokenProtectionStatusDetails),
			zap.String("UniqueTokenIdentifier", r.UniqueTokenIdentifier),
			zap.String("Decision", r.Decision),
			zap.String("ProofScheme", r.ProofScheme),
			zap.String("DeviceKeyThumbprint", r.DeviceKeyThumbprint),
			zap.Int("RequestCount", r.RequestCount),
		)
	}
}
