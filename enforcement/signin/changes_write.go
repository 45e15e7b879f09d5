// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bufio"
	"fmt"
	"io"
)

var changeColumns = []reportColumn[ChangeRow]{
	text("UserPrincipalName", func(r *ChangeRow) string { return r.UserPrincipalName }),
	text("UserId", func(r *ChangeRow) string { return r.UserID }),
	text("ResourceDisplayName", func(r *ChangeRow) string { return r.ResourceDisplayName }),
	text("From", func(r *ChangeRow) string { return string(r.From) }),
	text("To", func(r *ChangeRow) string { return string(r.To) }),
	text("Policy", func(r *ChangeRow) string { return r.Policy }),
	count("Requests", func(r *ChangeRow) int { return r.Requests }),
	count("Uncertain", func(r *ChangeRow) int { return r.Uncertain }),
	text("LastSeen", func(r *ChangeRow) string { return stamp(r.LastSeen) }),
}

var totalColumns = []reportColumn[ChangeTotal]{
	text("From", func(t *ChangeTotal) string { return string(t.From) }),
	text("To", func(t *ChangeTotal) string { return string(t.To) }),
	count("Users", func(t *ChangeTotal) int { return t.Users }),
	count("Requests", func(t *ChangeTotal) int { return t.Requests }),
	count("Uncertain", func(t *ChangeTotal) int { return t.Uncertain }),
}

// WriteTable prints the report as two aligned tables, changes and totals, and the sums in words. A table without rows is left
// out.
func (r ChangeReport) WriteTable(w io.Writer) error {
	b := bufio.NewWriter(w)
	if len(r.Changes) > 0 {
		printTable(b, changeColumns, r.Changes)
		_ = b.WriteByte('\n')
		printTable(b, totalColumns, r.Totals)
		_ = b.WriteByte('\n')
	}
	fmt.Fprintf(b, "%d of %d requests would have another outcome.\n", r.Changed, r.Requests)
	if r.Uncertain > 0 {
		fmt.Fprintf(b, "The outcome of %d requests rests on what the log does not say, such as groups and roles: the worst is assumed.\n", r.Uncertain)
	}
	return b.Flush() // the first error of any write
}

// WriteJSON writes the report as one object.
func (r ChangeReport) WriteJSON(w io.Writer) error {
	return writeJSON(w, r)
}

// WriteCSV writes the report as two CSV tables (RFC 4180), changes and totals, with an empty line between them.
func (r ChangeReport) WriteCSV(w io.Writer) error {
	return writeCSVs(w, changeColumns, r.Changes, totalColumns, r.Totals)
}
