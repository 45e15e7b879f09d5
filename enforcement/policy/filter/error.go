// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import "fmt"

// SyntaxError says where a rule goes wrong. It quotes the rule, which is configuration and no secret.
type SyntaxError struct {
	// Position counts the rule's characters from 1; the end of the rule is one after the last.
	Position int
	// Found is what stands there.
	Found string
	// Expected is what may stand there instead.
	Expected string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("character %d: found %s, expected %s", e.Position, e.Found, e.Expected)
}
