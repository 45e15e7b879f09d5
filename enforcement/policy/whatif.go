// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// WhatIfResponse says what the policies would make of a sign-in, in the shape of Graph's answer to
// `identity/conditionalAccess/evaluate`.
type WhatIfResponse struct {
	// Value has one result per policy, in the configured order.
	Value []WhatIfResult `json:"value"`
	// Decision is what this module would do: WhatIfAllow or WhatIfBlock.
	Decision string `json:"decision"`
}

// Values of WhatIfResponse.Decision.
const (
	WhatIfAllow = "allow"
	WhatIfBlock = "block"
)

// WhatIfResult is Graph's whatIfAnalysisResult: a policy, and whether it applies. Result, Enforced and MissingInformation are
// this module's.
type WhatIfResult struct {
	ID              string          `json:"id"`
	DisplayName     string          `json:"displayName"`
	State           State           `json:"state"`
	Conditions      ConditionSet    `json:"conditions"`
	SessionControls SessionControls `json:"sessionControls"`
	TokenProtection TokenProtection `json:"tokenProtection,omitzero"`
	// PolicyApplies says whether all conditions match. What is unknown matches, as it does when policies are enforced.
	PolicyApplies bool `json:"policyApplies"`
	// AnalysisReasons names what does not match, comma-separated, in the words of Graph's whatIfAnalysisReasons; or it is
	// `notSet`. `notEnoughInformation` is among them if something unknown decided; unlike in Graph, for a policy that
	// applies too.
	AnalysisReasons string `json:"analysisReasons"`
	// Result is what a sign-in record would say, such as `reportOnlyFailure`.
	Result string `json:"result"`
	// Enforced says that the result counts for the decision: the policy is on, and the user inside its rollout share.
	Enforced bool `json:"enforced"`
	// MissingInformation names the members of the request that would settle what is unknown.
	MissingInformation []string `json:"missingInformation,omitempty"`
}

// Graph's whatIfAnalysisReasons, as far as policies here can have them.
const (
	reasonNotSet           = "notSet"
	reasonNotEnough        = "notEnoughInformation"
	reasonPolicyNotEnabled = "policyNotEnabled"
)

// analysisReasons are the reasons of conditions, in Graph's order.
var analysisReasons = [...]struct {
	condition Conditions
	reason    string
}{
	{ConditionUsers, "users"},
	{ConditionApplication, "application"},
	{ConditionDevicePlatform, "devicePlatform"},
	{ConditionDeviceState, "devices"},
	{ConditionClientType, "clientApps"},
	{ConditionLocation, "location"},
}

// WhatIf evaluates the policies for a sign-in that has not taken place, at the given time. The error is that of
// WhatIfRequest.Check.
func (s *Set) WhatIf(r WhatIfRequest, now time.Time) (WhatIfResponse, error) {
	if err := r.Check(); err != nil {
		return WhatIfResponse{}, err
	}
	w := whatIf{set: s, request: r, context: s.whatIfContext(r, now)}
	w.who = s.subject(&w.context, make([]uint64, s.words))
	response := WhatIfResponse{Value: []WhatIfResult{}, Decision: WhatIfAllow}
	if r.TokenProtection.Confirmed && !r.TokenProtection.Bound && s.BoundTokenNeedsProof(&w.context) {
		response.Decision = WhatIfBlock
	}
	outcomes := s.Evaluate(nil, &w.context)
	for i := range outcomes {
		if outcomes[i].Blocks() {
			response.Decision = WhatIfBlock
		}
		if result := w.result(i, &outcomes[i]); result.PolicyApplies || !r.AppliedPoliciesOnly {
			response.Value = append(response.Value, result)
		}
	}
	return response, nil
}

// whatIfContext is what the request would look like to the policies.
func (s *Set) whatIfContext(r WhatIfRequest, now time.Time) Context {
	identity, conditions := r.SignInIdentity, r.SignInConditions
	c := Context{
		Known: true, UserID: identity.UserID, User: identity.UserPrincipalName,
		Groups: identity.Groups, Roles: identity.Roles, GroupsIndeterminate: identity.Groups == nil,
		Guest:       identity.ExternalUserType != "" && identity.ExternalUserType != "none",
		Resource:    s.ResourceNamed(r.SignInContext.IncludeApplications[0]),
		DeviceKnown: conditions.DeviceInfo != nil,
		Device:      (*device.Device)(conditions.DeviceInfo),
		// The word "all" is none of a request, and so unknown.
		Platform: conditions.DevicePlatform, ClientApp: conditions.ClientAppType,
		Bound: r.TokenProtection.Bound, HardwareKey: r.TokenProtection.HardwareKey,
		Time: now,
	}
	if conditions.IPAddress != "" {
		c.Address, _ = netip.ParseAddr(conditions.IPAddress) // checked; else it is unknown
	}
	return c
}

// ResourceNamed returns the name of the resource with that name or application id. One that is not known is called as it is:
// policies can name it too.
func (s *Set) ResourceNamed(application string) string {
	id := foldGUID(application)
	for _, r := range s.resources {
		if r.Name == application || r.AppID != "" && foldGUID(r.AppID) == id {
			return r.Name
		}
	}
	return application
}

// ResourceShownAs returns the name of the resource with that display name, which is what some logs have alone; empty if there is
// none.
func (s *Set) ResourceShownAs(displayName string) string {
	i := slices.IndexFunc(s.resources, func(r Resource) bool { return r.DisplayName == displayName })
	if displayName == "" || i < 0 {
		return ""
	}
	return s.resources[i].Name
}
