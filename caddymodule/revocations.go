// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device/revocation"
)

// The endpoints of the admin API.
var (
	revocationsRoute = adminRoute{name: "revocations", method: http.MethodGet, serve: serveRevocations}
	revokeRoute      = adminRoute{name: "revoke", method: http.MethodPost, body: 4 << 10, serve: serveRevoke}
	restoreRoute     = adminRoute{name: "restore", method: http.MethodPost, body: 4 << 10, serve: serveRestore}
)

func serveRevocations(a *App, _ *http.Request, _ time.Time) (int, any, error) {
	return http.StatusOK, map[string][]revocation.Entry{"value": a.devices.revocations.List()}, nil
}

// subjectOfRevocation is what revoke and restore are about.
type subjectOfRevocation struct {
	Device     string `json:"device"`
	Thumbprint string `json:"thumbprint"`
	Note       string `json:"note"`
}

func (s subjectOfRevocation) entry() revocation.Entry {
	return revocation.Entry{Device: s.Device, Thumbprint: s.Thumbprint, Note: s.Note}
}

func serveRevoke(a *App, r *http.Request, now time.Time) (int, any, error) {
	var subject subjectOfRevocation
	if err := decodeAdminBody(r, &subject); err != nil {
		return 0, nil, err
	}
	switch err := a.devices.revocations.Revoke(subject.entry(), now); {
	case errors.Is(err, revocation.ErrFull):
		return 0, nil, adminError(http.StatusInsufficientStorage, "%v", err)
	case err != nil:
		return 0, nil, adminError(http.StatusBadRequest, "%v", err)
	}
	return serveRevocations(a, r, now)
}

func serveRestore(a *App, r *http.Request, now time.Time) (int, any, error) {
	var subject subjectOfRevocation
	if err := decodeAdminBody(r, &subject); err != nil {
		return 0, nil, err
	}
	switch there, err := a.devices.revocations.Restore(subject.entry()); {
	case err != nil:
		return 0, nil, adminError(http.StatusBadRequest, "%v", err)
	case !there:
		return 0, nil, adminError(http.StatusNotFound, "nothing of that name is revoked")
	}
	return serveRevocations(a, r, now)
}
