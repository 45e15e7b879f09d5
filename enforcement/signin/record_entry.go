// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

// Entry returns the record as it would be read from a log.
func (r *Record) Entry() *Entry {
	policies, _ := decodePolicies([]byte(r.ConditionalAccessPolicies))
	return &Entry{
		Time:                         timeOf(r.TimeGenerated, nil),
		ID:                           r.ID,
		CorrelationID:                r.CorrelationID,
		UserPrincipalName:            r.UserPrincipalName,
		UserID:                       r.UserID,
		UserType:                     r.UserType,
		AppID:                        r.AppID,
		AppDisplayName:               r.AppDisplayName,
		ResourceIdentity:             r.ResourceIdentity,
		ResourceDisplayName:          r.ResourceDisplayName,
		IPAddress:                    r.IPAddress,
		ClientAppUsed:                r.ClientAppUsed,
		DeviceDetail:                 r.DeviceDetail,
		Decision:                     r.Decision,
		ProofScheme:                  r.ProofScheme,
		ConditionalAccessPolicies:    policies,
		TokenProtectionStatusDetails: StatusDetails(r.TokenProtectionStatusDetails),
		AdditionalDetails:            r.Status.AdditionalDetails,
		RequestCount:                 r.RequestCount,
	}
}
