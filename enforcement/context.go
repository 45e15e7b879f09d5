// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"net/netip"
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// context is what policies may know of the request.
func (e *Enforcer) context(d *Decision, r *Request) policy.Context {
	context := e.subject(d)
	if e.Policies.NeedsClientApp() {
		context.ClientApp = clientApp(r)
	}
	if e.Policies.NeedsPlatform() {
		context.Platform = platform(d, r)
	}
	if e.Policies.NeedsAddress() && !r.AddressUnverified {
		context.Address, _ = netip.ParseAddr(r.Address) // the zero address is unknown, and stays in scope
	}
	return context
}

// subject is what they may know of it without looking at the request itself.
func (e *Enforcer) subject(d *Decision) policy.Context {
	context := policy.Context{Resource: e.Resource.Name, Bound: d.proven()}
	if e.Policies.NeedsTime() {
		context.Time = e.Now()
	}
	claims := d.Claims
	if claims == nil {
		if d.Session != nil && d.Session.User != "" {
			context.Known, context.UserID, context.User = true, d.Session.User, d.Session.User
			context.GroupsIndeterminate = true // the application names no groups
		}
		return context
	}
	context.Known = true
	context.UserID, context.User, context.UserNameUnverified = claims.UserID, claims.User, claims.UserNameMutable
	context.Groups, context.Roles = claims.Groups, claims.Roles
	context.GroupsIndeterminate, context.Guest = claims.GroupsCut, claims.Guest
	context.HardwareKey = claims.Confirmation.Hardware
	return context
}

// clientApp guesses the kind of client.
func clientApp(r *Request) policy.ClientApp {
	return policy.ClientAppOf(r.HTTP.UserAgent(), r.HTTP.URL.Path)
}

// platform is the one that the token names, else what the user agent claims.
func platform(d *Decision, r *Request) policy.Platform {
	if d.Claims != nil {
		if named := platformNamed(d.Claims.Platform); named != "" {
			return named
		}
	}
	return policy.PlatformOf(r.HTTP.UserAgent())
}

// platformNamed reads the platform that the issuer put into the token.
func platformNamed(name string) policy.Platform {
	for _, platform := range [...]policy.Platform{policy.Windows, policy.MacOS, policy.Linux, policy.IOS, policy.Android} {
		if strings.EqualFold(name, string(platform)) {
			return platform
		}
	}
	return ""
}
