// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"slices"
	"strings"
	"time"
)

// A Filter says which records count, and which policies' results in them. The zero value lets everything through. Names are
// compared without letter case.
type Filter struct {
	From      time.Time // records from this time on; zero is from the first
	To        time.Time // records before this time; zero is to the last
	Policies  []string  // ids or display names of policies
	Resources []string  // display names or identities of resources
}

// Selects says whether a record counts. One without a time counts only if no time is asked for.
func (f *Filter) Selects(e *Entry) bool {
	switch {
	case !f.From.IsZero() && (e.Time.IsZero() || e.Time.Before(f.From)):
		return false
	case !f.To.IsZero() && (e.Time.IsZero() || !e.Time.Before(f.To)):
		return false
	}
	return len(f.Resources) == 0 || named(f.Resources, e.ResourceDisplayName, e.ResourceIdentity)
}

// selectsPolicy says whether a policy's result counts.
func (f *Filter) selectsPolicy(row *PolicyRow) bool {
	return len(f.Policies) == 0 || named(f.Policies, row.ID, row.DisplayName)
}

// named says whether one of the names is among those wanted.
func named(wanted []string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, name) })
	})
}

// A Verdict says what token protection policies made of a record. Neither is true where none applied; both are where one
// policy was satisfied and another was not.
type Verdict struct {
	Allow bool // a policy was satisfied, or would have been
	Block bool // a policy was not satisfied, or would not have been
}

// Verdict says what the policies that the filter selects made of a record, by the rules of Microsoft's queries: a policy
// counts if its enforcedSessionControls name token protection and its result is not notApplied or reportOnlyNotApplied, and
// it blocks if its sessionControlsNotSatisfied name it.
func (f *Filter) Verdict(e *Entry) (v Verdict) {
	for i := range e.ConditionalAccessPolicies {
		row := &e.ConditionalAccessPolicies[i]
		switch {
		case !f.selectsPolicy(row) || row.Result == PolicyNotApplied || row.Result == PolicyReportOnlyNotApplied || !row.AboutTokenProtection():
		case slices.ContainsFunc(row.SessionControlsNotSatisfied, isTokenProtection):
			v.Block = true
		default:
			v.Allow = true
		}
	}
	return v
}

// AboutTokenProtection says whether the policy's session controls in force name token protection.
func (row *PolicyRow) AboutTokenProtection() bool {
	return slices.ContainsFunc(row.EnforcedSessionControls, isTokenProtection)
}

// Failed says whether some token protection policy, report-only ones included, was not satisfied.
func (e *Entry) Failed() bool {
	var all Filter
	return all.Verdict(e).Block
}

// isTokenProtection knows the session control by its name, and by the one Entra used until June 2023. Letter case does
// not matter, as in the queries.
func isTokenProtection(control string) bool {
	return strings.EqualFold(control, SessionControl) || strings.EqualFold(control, "Binding")
}

// SelfRemediable says whether a user can cure what a code stands for by registering the device anew: 1003 and 1004, as the
// queries have it.
func SelfRemediable(code int) bool { return code == 1003 || code == 1004 }
