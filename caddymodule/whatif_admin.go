// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// whatIfRoute asks the policies in force about a sign-in, in the shape of Graph's
// `identity/conditionalAccess/evaluate`.
var whatIfRoute = adminRoute{name: "what-if", method: http.MethodPost, body: policy.MaxWhatIfSize, serve: serveWhatIf}

func serveWhatIf(a *App, r *http.Request, now time.Time) (int, any, error) {
	request, err := policy.ReadWhatIfRequest(r.Body)
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return 0, nil, adminError(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", tooLong.Limit)
	}
	resources := a.resources()
	rules := whatIfRules{a.rules.Load().set.WithResources(resources), resources}
	if err == nil {
		err = rules.check(request)
	}
	if err != nil {
		return 0, nil, adminError(http.StatusBadRequest, "the body: %v", err)
	}
	answer, err := rules.set.WhatIf(request, now)
	return http.StatusOK, answer, err
}

func (r whatIfRules) check(request policy.WhatIfRequest) error {
	if err := r.checkApplication(request.SignInContext.IncludeApplications[0]); err != nil {
		return fmt.Errorf("signInContext.includeApplications: %w", err)
	}
	return nil
}
