// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// IDs returns the policies' ids, in the configured order.
func (s *Set) IDs() []string {
	ids := make([]string, len(s.policies))
	for i := range s.policies {
		ids[i] = s.policies[i].identity.ID
	}
	return ids
}
