// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package insights

import (
	"cmp"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// An outcome is what policies made of a request, as the tiles count it.
type outcome int

const (
	anyOutcome outcome = iota // as a filter
	success
	failure
	notApplied
)

// outcomeParams are the values of the filter, by outcome.
var outcomeParams = [...]string{"", "success", "failure", "not_applied"}

// A result is what one policy made of a request.
type result struct {
	policy     int // index of the board's policies
	outcome    outcome
	reportOnly bool
}

// A policy is one that the log names.
type policy struct {
	ID, Name       string
	on, reportOnly bool // seen in this state
}

// Most policies, and most combinations of their results, that a board tells apart.
const (
	maxPolicies   = 64
	maxSignatures = 1000
)

// resultOf reads one policy's row. Policies that are off, or not about token protection, say nothing.
func resultOf(row *signin.PolicyRow) (r result, ok bool) {
	switch row.Result {
	case signin.PolicySuccess:
		r.outcome = success
	case signin.PolicyFailure:
		r.outcome = failure
	case signin.PolicyNotApplied:
		r.outcome = notApplied
	case signin.PolicyReportOnlySuccess:
		r.outcome, r.reportOnly = success, true
	case signin.PolicyReportOnlyFailure:
		r.outcome, r.reportOnly = failure, true
	case signin.PolicyReportOnlyNotApplied:
		r.outcome, r.reportOnly = notApplied, true
	default:
		return r, false
	}
	return r, r.outcome == notApplied || row.AboutTokenProtection()
}

// A lens chooses the policies that outcomes are about: all, those on, those in report-only state, or one.
type lens struct {
	state  string // "", "on" or "report_only"
	policy int    // -1 for all
}

func (l lens) selects(r result) bool {
	switch {
	case l.policy >= 0 && r.policy != l.policy:
		return false
	case l.state == "on":
		return !r.reportOnly
	case l.state == "report_only":
		return r.reportOnly
	}
	return true
}

// outcome sums results up: one failure fails, one success without failure succeeds.
func (l lens) outcome(results []result) outcome {
	sum := notApplied
	for _, r := range results {
		switch {
		case !l.selects(r):
		case r.outcome == failure:
			return failure
		case r.outcome == success:
			sum = success
		}
	}
	return sum
}

// name is how the page calls a policy.
func (p *policy) name() string { return cmp.Or(p.Name, p.ID, "(unnamed policy)") }

// state says in which states the log has seen the policy.
func (p *policy) state() string {
	switch {
	case p.on && p.reportOnly:
		return "on and report-only"
	case p.on:
		return "on"
	case p.reportOnly:
		return "report-only"
	}
	return "off"
}
