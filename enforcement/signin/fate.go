// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"slices"
	"strings"
)

// A Fate is what became of a request, or would have become of it.
type Fate string

// From the best to the worst.
const (
	// FateAllow: it passes, and no policy says that it should not.
	FateAllow Fate = "allow"
	// FateReportOnly: it passes, and a report-only policy says that it should not.
	FateReportOnly Fate = PolicyReportOnlyFailure
	// FateBlock: it is refused.
	FateBlock Fate = "block"
)

// FateOf says what became of a request. An export from Log Analytics has no decision: there, the policies' results say it.
func FateOf(e *Entry) Fate {
	failed := func(result string) bool {
		return slices.ContainsFunc(e.ConditionalAccessPolicies, func(row PolicyRow) bool {
			return row.Result == result && slices.ContainsFunc(row.SessionControlsNotSatisfied, isTokenProtection)
		})
	}
	switch {
	case e.Decision == Block, e.Decision == "" && failed(PolicyFailure):
		return FateBlock
	case failed(PolicyReportOnlyFailure):
		return FateReportOnly
	}
	return FateAllow
}

// Folded says that the entry stands for requests of several users and clients, of whom it names none.
func (e *Entry) Folded() bool { return e.AdditionalDetails == foldedDetails }

// Check is the check that failed, which the details begin with; empty if there are none.
func (e *Entry) Check() string {
	check, _, _ := strings.Cut(e.AdditionalDetails, " ")
	return strings.Trim(check, ":;")
}
