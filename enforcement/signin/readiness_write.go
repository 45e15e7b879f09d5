// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var knownGoodColumns = []reportColumn[KnownGoodUser]{
	text("UserPrincipalName", func(u *KnownGoodUser) string { return u.UserPrincipalName }),
	text("UserId", func(u *KnownGoodUser) string { return u.UserID }),
	count("Requests", func(u *KnownGoodUser) int { return u.Requests }),
	count("Days", func(u *KnownGoodUser) int { return u.Days }),
	text("FirstSeen", func(u *KnownGoodUser) string { return stamp(u.FirstSeen) }),
	text("LastSeen", func(u *KnownGoodUser) string { return stamp(u.LastSeen) }),
}

var unboundColumns = []reportColumn[UnboundRow]{
	count("Code", func(r *UnboundRow) int { return r.Code }),
	text("Reason", func(r *UnboundRow) string { return r.Reason }),
	count("Requests", func(r *UnboundRow) int { return r.Requests }),
	count("Users", func(r *UnboundRow) int { return r.Users }),
	text("Meaning", func(r *UnboundRow) string { return r.Meaning }),
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// WriteJSON writes the report as one object.
func (r ReadinessReport) WriteJSON(w io.Writer) error {
	return writeJSON(w, r)
}

// WriteCSV writes the report as two CSV tables (RFC 4180), users and reasons, with an empty line between them.
func (r ReadinessReport) WriteCSV(w io.Writer) error {
	return writeCSVs(w, knownGoodColumns, r.KnownGood, unboundColumns, r.Unbound)
}

// WriteCaddyfile writes the known-good users as the users block of a policy, to paste into a Caddyfile, and the unbound
// requests by reason as comments under it. Users whose name and id a Caddyfile cannot hold are counted, not written.
func (r ReadinessReport) WriteCaddyfile(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# %d known-good users, %d others\n", len(r.KnownGood), r.NotReady)
	unwritable := 0
	if len(r.KnownGood) > 0 {
		_, _ = b.WriteString("users {\n")
		for _, user := range r.KnownGood {
			if token, ok := user.token(); ok {
				fmt.Fprintf(b, "\tinclude user %s\n", token)
			} else {
				unwritable++
			}
		}
		_, _ = b.WriteString("}\n")
	}
	if unwritable > 0 {
		fmt.Fprintf(b, "# %d known-good users have names that a Caddyfile cannot hold: see --format json\n", unwritable)
	}
	if len(r.Unbound) > 0 {
		_, _ = b.WriteString("\n# Unbound requests by reason:\n")
		comment := &commented{to: b, fresh: true}
		table := bufio.NewWriter(comment)
		printTable(table, unboundColumns, r.Unbound)
		_ = table.Flush()
	}
	return b.Flush()
}

// token is how a Caddyfile names the user: by name, else by id.
func (u *KnownGoodUser) token() (string, bool) {
	for _, name := range [...]string{u.UserPrincipalName, u.UserID} {
		if token, ok := caddyfileToken(name); ok {
			return token, true
		}
	}
	return "", false
}

// caddyfileToken writes a name as one token of a Caddyfile, in quotes if it must be. Braces could be placeholders or
// blocks, even in quotes, and a name that does not print is not one to paste.
func caddyfileToken(name string) (string, bool) {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return strings.ContainsRune("{}\\`\"", r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}) {
		return "", false
	}
	bare := !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@._-+", r)
	})
	if bare {
		return name, true
	}
	return strconv.Quote(name), true
}

// commented puts "# " before each line.
type commented struct {
	to    *bufio.Writer
	fresh bool // at the start of a line
}

func (c *commented) Write(p []byte) (int, error) {
	for _, b := range p {
		if c.fresh {
			_, _ = c.to.WriteString("# ")
		}
		_ = c.to.WriteByte(b)
		c.fresh = b == '\n'
	}
	return len(p), nil
}
