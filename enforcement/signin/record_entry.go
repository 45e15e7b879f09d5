// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import "sync"

// Entry returns the record as it would be read from a log.
func (r *Record) Entry() *Entry {
	policies, _ := decodePolicies([]byte(r.ConditionalAccessPolicies))
	return r.entry(policies)
}

// Entries turns many records into entries. Of what records repeat, the results of policies, it decodes each once; its memory is
// bounded. The zero value is ready to use, also by several goroutines at once.
type Entries struct {
	mu       sync.Mutex
	policies cache[[]PolicyRow]
}

// Of returns what Record.Entry does. Entries share rows, which are not to be changed.
func (x *Entries) Of(r *Record) *Entry {
	x.mu.Lock()
	policies, _ := cached(&x.policies, []byte(r.ConditionalAccessPolicies), decodePolicies)
	x.mu.Unlock()
	return r.entry(policies)
}

func (r *Record) entry(policies []PolicyRow) *Entry {
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
