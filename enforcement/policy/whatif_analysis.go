// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "strings"

// whatIf is a request under way.
type whatIf struct {
	set     *Set
	request WhatIfRequest
	context Context
	who     subject
}

func (w *whatIf) result(i int, o *Outcome) WhatIfResult {
	p := &w.set.source[i]
	result := WhatIfResult{
		ID: p.ID, DisplayName: p.DisplayName, State: p.State, Conditions: p.Conditions, SessionControls: p.SessionControls,
		TokenProtection: p.TokenProtection,
		PolicyApplies:   o.Result != NotEnabled && o.NotSatisfied == 0,
		Result:          o.Result.String(), Enforced: o.Enforced,
		MissingInformation: w.missing(i, o),
	}
	result.AnalysisReasons = reasons(o, len(result.MissingInformation) > 0)
	return result
}

// reasons writes Graph's whatIfAnalysisReasons.
func reasons(o *Outcome, unknown bool) string {
	if o.Result == NotEnabled {
		return reasonPolicyNotEnabled
	}
	var list []string
	if unknown {
		list = append(list, reasonNotEnough)
	}
	for _, r := range analysisReasons {
		if o.NotSatisfied&r.condition != 0 {
			list = append(list, r.reason)
		}
	}
	if list == nil {
		return reasonNotSet
	}
	return strings.Join(list, ",")
}

// missing names the members of the request that the i-th outcome rests on and that are not there. Where a condition that is
// known does not match, nothing that is unknown matters.
func (w *whatIf) missing(i int, o *Outcome) []string {
	roles := w.request.SignInIdentity.Roles == nil && w.set.rolesDecide(i, o, &w.who, &w.context)
	if !o.mayApply(roles) {
		return nil
	}
	lacking := w.set.policies[i].lacks(&w.context)
	var list []string
	for _, fact := range []struct {
		decides bool
		member  string
	}{
		{o.Indeterminate, "signInIdentity.groups"},
		{roles, "signInIdentity.roles"},
		{lacking&ConditionDevicePlatform != 0, "signInConditions.devicePlatform"},
		{lacking&ConditionClientType != 0, "signInConditions.clientAppType"},
		{lacking&ConditionLocation != 0, "signInConditions.ipAddress"},
		{lacking&ConditionDeviceState != 0, "signInConditions.deviceInfo"},
	} {
		if fact.decides {
			list = append(list, fact.member)
		}
	}
	return list
}

// lacks returns the conditions that the policy has configured and that match only because a fact is not known.
func (p *compiled) lacks(c *Context) (lacking Conditions) {
	if c.Platform.bit() == unknown && p.platforms != everything {
		lacking |= ConditionDevicePlatform
	}
	if c.ClientApp.bit() == unknown && p.clients != everything {
		lacking |= ConditionClientType
	}
	if !c.Address.IsValid() && p.locations != nil && !p.locations.everywhere() {
		lacking |= ConditionLocation
	}
	if !c.DeviceKnown && p.devices != nil {
		lacking |= ConditionDeviceState
	}
	return lacking
}

// mayApply says whether the policy applies, or might if the user's roles, which decide, were known.
func (o *Outcome) mayApply(rolesDecide bool) bool {
	return o.Result != NotEnabled && (o.NotSatisfied == 0 || rolesDecide && o.NotSatisfied == ConditionUsers)
}

// rolesDecide says whether roles that are unknown would decide the i-th outcome: they might include a user who is not
// included, or exclude one who is.
func (s *Set) rolesDecide(i int, o *Outcome, who *subject, c *Context) bool {
	u := &s.source[i].Conditions.Users
	if o.NotSatisfied&ConditionUsers == 0 {
		return len(u.ExcludeRoles) > 0
	}
	excluded, _ := s.policies[i].people.excludes(who, c)
	return !excluded && len(u.IncludeRoles) > 0
}
