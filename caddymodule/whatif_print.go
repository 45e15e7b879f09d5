// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
)

// printWhatIf prints an answer for people.
func printWhatIf(out io.Writer, answer policy.WhatIfResponse) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Policy\tState\tApplies\tBecause\tResult") // Flush returns the first error of any write
	for i := range answer.Value {
		result := &answer.Value[i]
		applies := "no"
		if result.PolicyApplies {
			applies = "yes"
		}
		fmt.Fprintf(table, "%q\t%s\t%s\t%s\t%s\n", result.DisplayName, stateName(result.State), applies, because(result), result.Result)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\ndecision: %s\n", decided(answer))
	return err
}

// decided is the decision, with its cause where that is no policy's result.
func decided(answer policy.WhatIfResponse) string {
	fails := slices.ContainsFunc(answer.Value, func(r policy.WhatIfResult) bool { return r.Result == policy.Failure.String() })
	if answer.Decision == policy.WhatIfBlock && !fails {
		return answer.Decision + ": the token names a key, and its proof is owed whatever the conditions say"
	}
	return answer.Decision
}

// because says why a policy applies or does not.
func because(r *policy.WhatIfResult) string {
	var list []string
	switch {
	case r.State == policy.Off:
		return "off"
	case r.PolicyApplies && len(r.MissingInformation) == 0:
		list = append(list, "all conditions match")
	case r.PolicyApplies:
		list = append(list, "no condition excludes it")
	default:
		list = append(list, unmatched(r.AnalysisReasons)+" not matched")
	}
	if len(r.MissingInformation) > 0 {
		list = append(list, "not known: "+missingWords(r.MissingInformation))
	}
	if r.State == policy.On && !r.Enforced {
		list = append(list, "outside of its rollout share")
	}
	return strings.Join(list, "; ")
}

// unmatched names the conditions that do not match.
func unmatched(reasons string) string {
	names := strings.TrimPrefix(strings.TrimPrefix(reasons, "notEnoughInformation"), ",")
	return strings.ReplaceAll(names, ",", ", ")
}

// missingWords names members by their last part.
func missingWords(members []string) string {
	names := make([]string, len(members))
	for i, member := range members {
		names[i] = member[strings.LastIndexByte(member, '.')+1:]
	}
	return strings.Join(names, ", ")
}

// writeWhatIf writes an answer as the admin API does.
func writeWhatIf(out io.Writer, answer policy.WhatIfResponse) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(answer)
}
