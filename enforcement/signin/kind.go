// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import "strings"

// A Kind is what makes two requests the same sign-in for the log: the same user, app, device, resource, address and
// outcome. It is comparable; the caller fills it for each request, on its stack.
type Kind struct {
	User     string // immutable id if known; empty without a verified user
	App      string
	Device   string
	Resource string // the enforcement point's name
	Address  string // the client's IP address

	// The outcome.
	Decision string // Allow or Block
	Code     int    // session status code
	Reason   string // the reason's name and detail
	Policies uint64 // Signature of the policy results

	fold bool // stands for all kinds of the same resource and outcome
}

// long says whether the kind has a string longer than a record would keep.
func (k *Kind) long() bool {
	return len(k.User) > MaxName || len(k.App) > MaxName || len(k.Device) > MaxName ||
		len(k.Resource) > MaxName || len(k.Address) > MaxName || len(k.Reason) > MaxName
}

// bounded returns the kind with its long strings cut: those that differ only beyond count as the same.
func (k *Kind) bounded() Kind {
	b := *k
	for _, s := range [...]*string{&b.User, &b.App, &b.Device, &b.Resource, &b.Address, &b.Reason} {
		*s = Clip(*s, MaxName)
	}
	return b
}

// owned returns an equal kind that shares no memory with the request it was taken from.
func (k *Kind) owned() Kind {
	o := *k
	for _, s := range [...]*string{&o.User, &o.App, &o.Device, &o.Resource, &o.Address, &o.Decision, &o.Reason} {
		*s = strings.Clone(*s)
	}
	return o
}

// folded returns the kind that stands for all kinds of the same resource and outcome once there is no room for more. Its
// members come from the configuration, never from a client, which is why the folded kinds need no bound of their own.
func (k *Kind) folded() Kind {
	return Kind{Resource: k.Resource, Decision: k.Decision, Code: k.Code, Policies: k.Policies, fold: true}
}

// foldedDetails is what a folded kind's record says in Status.AdditionalDetails.
const foldedDetails = "further kinds folded: more users, apps, devices and addresses than the log tells apart in one interval"

// folded returns the record of a folded kind: the outcome, without the one user and client it was first seen with.
func (r Record) folded() Record {
	return Record{
		TimeGenerated:                r.TimeGenerated,
		ID:                           r.ID,
		IsInteractive:                r.IsInteractive,
		ResourceIdentity:             r.ResourceIdentity,
		ResourceDisplayName:          r.ResourceDisplayName,
		Status:                       Status{ErrorCode: r.Status.ErrorCode, AdditionalDetails: foldedDetails},
		ResultType:                   r.ResultType,
		ConditionalAccessStatus:      r.ConditionalAccessStatus,
		ConditionalAccessPolicies:    r.ConditionalAccessPolicies,
		TokenProtectionStatusDetails: r.TokenProtectionStatusDetails,
		Decision:                     r.Decision,
	}
}
