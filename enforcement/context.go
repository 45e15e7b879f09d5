// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"strings"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// context is what policies may know of the request.
func (e *Enforcer) context(d *Decision, r *Request) policy.Context {
	agent := r.HTTP.UserAgent()
	context := policy.Context{
		Resource:  e.Resource.Name,
		ClientApp: policy.ClientAppOf(agent, r.HTTP.URL.Path),
		Bound:     d.proven(),
	}
	claims := d.Claims
	if claims == nil {
		context.Platform = policy.PlatformOf(agent)
		if d.Session != nil && d.Session.User != "" {
			context.Known, context.UserID, context.User = true, d.Session.User, d.Session.User
		}
		return context
	}
	context.Known = true
	context.UserID, context.User, context.UserNameUnverified = claims.UserID, claims.User, claims.UserNameMutable
	context.Groups, context.Roles = claims.Groups, claims.Roles
	context.GroupsIndeterminate, context.Guest = claims.GroupsCut, claims.Guest
	context.HardwareKey = claims.Confirmation.Hardware
	if context.Platform = platformNamed(claims.Platform); context.Platform == "" {
		context.Platform = policy.PlatformOf(agent)
	}
	return context
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
