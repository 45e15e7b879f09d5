// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// SkippedPolicy is a policy that is not one of this module's.
type SkippedPolicy struct {
	// ID and DisplayName are the policy's, as far as it has them.
	ID          string
	DisplayName string
	// Reason says why it is skipped.
	Reason string
}

// String names the policy and says why it is skipped.
func (s SkippedPolicy) String() string {
	return fmt.Sprintf("policy %q is skipped: %s", cmp.Or(s.DisplayName, s.ID), s.Reason)
}

func skipped(element []byte) SkippedPolicy {
	s := SkippedPolicy{Reason: "it does not require token protection: sessionControls.secureSignInSession is not enabled"}
	members, _ := split(element)
	for _, m := range members {
		switch m.name {
		case "id":
			_ = json.Unmarshal(m.value, &s.ID) // what is no string is no id
		case "displayName":
			_ = json.Unmarshal(m.value, &s.DisplayName)
		}
	}
	return s
}

// asksForNothing says whether a policy certainly does not enable secureSignInSession. A misspelt member does not count as
// absent: it is reported, and not skipped over.
func asksForNothing(policy []byte) bool {
	members, _ := split(policy)
	for _, m := range members {
		if !strings.EqualFold(m.name, "sessionControls") || isEmpty(m.value, maxEmptyDepth) {
			continue
		}
		controls, ok := split(m.value)
		if !ok {
			return false
		}
		for _, c := range controls {
			if strings.EqualFold(c.name, "secureSignInSession") && !isEmpty(c.value, maxEmptyDepth) && !isDisabled(c.value) {
				return false
			}
		}
	}
	return true
}
