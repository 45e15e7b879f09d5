// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package enforcement

import (
	"strconv"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// record notes the decision in the sign-in log. Most requests only add to a
// count; the record is built where the log asks for it.
func (e *Enforcer) record(d *Decision, r *Request, now time.Time) {
	kind := signin.Kind{
		Resource: e.Resource.Name,
		User:     d.UserID(),
		Address:  r.Address,
		Decision: signin.Block,
		Code:     d.Code(),
		Reason:   string(d.Reason),
		Policies: signature(d.Outcomes),
	}
	if d.Allow {
		kind.Decision = signin.Allow
	}
	if d.Claims != nil {
		kind.App, kind.Device = d.Claims.Client, d.Claims.Device
	}
	if d.Recorded = e.Log.Note(&kind); d.Recorded {
		e.Log.Emit(&kind, e.signIn(d, r, &kind, now))
	}
}

// signature tells apart what the policies made of a request: FNV-1a over
// their results, whose order is that of the configuration.
func signature(outcomes []policy.Outcome) uint64 {
	hash := uint64(14695981039346656037)
	for i := range outcomes {
		o := &outcomes[i]
		hash = (hash ^ uint64(o.Result)<<32 ^ uint64(o.Satisfied)<<16 ^ uint64(o.NotSatisfied)) * 1099511628211
	}
	return hash
}

// signIn builds the record. Nothing in it is secret: the token is named by
// its id, the key by its thumbprint.
func (e *Enforcer) signIn(d *Decision, r *Request, kind *signin.Kind, now time.Time) signin.Record {
	record := signin.Record{
		TimeGenerated:             signin.Timestamp(now),
		ID:                        signin.NewID(),
		CorrelationID:             d.CorrelationID(),
		ResourceIdentity:          e.Resource.AppID,
		ResourceDisplayName:       e.Resource.DisplayName,
		IPAddress:                 r.Address,
		UserAgent:                 r.HTTP.UserAgent(),
		ConditionalAccessPolicies: signin.Policies(results(d.Outcomes)),
		Status:                    signin.Status{AdditionalDetails: details(d)},
		ResultType:                "0",
		TokenProtectionStatusDetails: signin.TokenProtectionStatusDetails{
			SignInSessionStatus: signin.Unbound, SignInSessionStatusCode: kind.Code,
		},
		ConditionalAccessStatus: conditionalAccessStatus(d),
		Decision:                kind.Decision,
	}
	if record.ResourceIdentity == "" {
		record.ResourceIdentity = e.Resource.Name
	}
	record.ClientAppUsed = string(clientApp(r))
	record.DeviceDetail.OperatingSystem = string(platform(d, r))
	if d.Bound {
		record.TokenProtectionStatusDetails.SignInSessionStatus = signin.Bound
		record.ProofScheme = string(d.Binding.Scheme)
	}
	if d.Binding.Scheme != "" {
		record.DeviceKeyThumbprint = d.Binding.Key.String()
	}
	if !d.Allow {
		record.Status.ErrorCode = signin.BlockedByTokenProtection
		record.ResultType = strconv.Itoa(signin.BlockedByTokenProtection)
		record.Status.FailureReason = d.Reason.Answer().Detail
	}
	if d.Session != nil {
		record.UserPrincipalName, record.UserID = d.Session.User, d.Session.User
		record.UniqueTokenIdentifier = d.Session.Session
	}
	if claims := d.Claims; claims != nil {
		record.UserPrincipalName, record.UserID = claims.User, claims.UserID
		record.AppID, record.DeviceDetail.DeviceID = claims.Client, claims.Device
		record.UniqueTokenIdentifier = claims.ID
		record.UserType = signin.Member
		if claims.Guest {
			record.UserType = signin.Guest
		}
	}
	d.recordDevice(&record)
	return record
}

// details says what the failure reason leaves open: the check that failed,
// and what was excused.
func details(d *Decision) string {
	text := string(d.Reason)
	if d.Binding.NonceOwed && text == "" {
		text = string(reason.NonceMissing) + ": excused, one retry with a server nonce would have cured it"
	}
	for i := range d.Outcomes {
		if d.Outcomes[i].Indeterminate {
			if text != "" {
				text += "; "
			}
			return text + "the user's group list is not known in full, so membership is unknown"
		}
	}
	return text
}

func results(outcomes []policy.Outcome) []signin.PolicyResult {
	list := make([]signin.PolicyResult, len(outcomes))
	for i := range outcomes {
		o := &outcomes[i]
		list[i] = signin.PolicyResult{
			ID:                     o.Policy.ID,
			DisplayName:            o.Policy.Name,
			Result:                 o.Result.String(),
			ConditionsSatisfied:    o.Satisfied.String(),
			ConditionsNotSatisfied: o.NotSatisfied.String(),
		}
	}
	return list
}

// conditionalAccessStatus sums up the enforced policies, as Entra does.
func conditionalAccessStatus(d *Decision) string {
	if !d.Allow {
		return signin.StatusFailure
	}
	for i := range d.Outcomes {
		if d.Outcomes[i].Result == policy.Success {
			return signin.StatusSuccess
		}
	}
	return signin.StatusNotApplied
}
