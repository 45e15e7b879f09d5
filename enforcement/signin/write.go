// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A column of a table. Text is aligned to the left, numbers to the right.
type reportColumn[Row any] struct {
	name   string
	number bool
	value  func(*Row) string
}

func text[Row any](name string, value func(*Row) string) reportColumn[Row] {
	return reportColumn[Row]{name: name, value: value}
}

func count[Row any](name string, value func(*Row) int) reportColumn[Row] {
	return reportColumn[Row]{name: name, number: true, value: func(r *Row) string { return strconv.Itoa(value(r)) }}
}

func share[Row any](name string, value func(*Row) float64) reportColumn[Row] {
	return reportColumn[Row]{name: name, number: true, value: func(r *Row) string {
		return strconv.FormatFloat(value(r), 'f', 2, 64)
	}}
}

var appColumns = []reportColumn[AppRow]{
	text("AppDisplayName", func(r *AppRow) string { return r.AppDisplayName }),
	count("Requests", func(r *AppRow) int { return r.Requests }),
	count("Users", func(r *AppRow) int { return r.Users }),
	count("Allow", func(r *AppRow) int { return r.Allow }),
	count("Block", func(r *AppRow) int { return r.Block }),
	count("BlockSelfRemediable", func(r *AppRow) int { return r.BlockSelfRemediable }),
	count("BlockedUsers", func(r *AppRow) int { return r.BlockedUsers }),
	count("BlockedUsersSelfRemediable", func(r *AppRow) int { return r.BlockedUsersSelfRemediable }),
	share("PctAllowed", func(r *AppRow) float64 { return r.PctAllowed }),
	share("PctEnforceable", func(r *AppRow) float64 { return r.PctEnforceable }),
}

var userColumns = []reportColumn[UserRow]{
	text("UserPrincipalName", func(r *UserRow) string { return r.UserPrincipalName }),
	text("AppDisplayName", func(r *UserRow) string { return r.AppDisplayName }),
	text("ResourceDisplayName", func(r *UserRow) string { return r.ResourceDisplayName }),
	count("Requests", func(r *UserRow) int { return r.Requests }),
	count("Allow", func(r *UserRow) int { return r.Allow }),
	count("Block", func(r *UserRow) int { return r.Block }),
	count("BlockSelfRemediable", func(r *UserRow) int { return r.BlockSelfRemediable }),
	share("PctAllowed", func(r *UserRow) float64 { return r.PctAllowed }),
	share("PctEnforceable", func(r *UserRow) float64 { return r.PctEnforceable }),
}

// WriteTable prints the report as two aligned tables, per app and per user.
func (r Report) WriteTable(w io.Writer) error {
	b := bufio.NewWriter(w)
	printTable(b, appColumns, r.Apps)
	_ = b.WriteByte('\n')
	printTable(b, userColumns, r.Users)
	return b.Flush() // the first error of any write
}

// WriteJSON writes the report as one object {"Apps": [...], "Users": [...]}.
func (r Report) WriteJSON(w io.Writer) error {
	return writeJSON(w, r)
}

// WriteCSV writes the report as two CSV tables (RFC 4180), per app and per user, with an empty line between them.
func (r Report) WriteCSV(w io.Writer) error {
	return writeCSVs(w, appColumns, r.Apps, userColumns, r.Users)
}

func writeJSON(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

// writeCSVs writes two tables with an empty line between them.
func writeCSVs[First, Second any](w io.Writer, first []reportColumn[First], rows []First, second []reportColumn[Second], more []Second) error {
	if err := writeCSV(w, first, rows); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return writeCSV(w, second, more)
}

func writeCSV[Row any](w io.Writer, columns []reportColumn[Row], rows []Row) error {
	c := csv.NewWriter(w)
	line := make([]string, len(columns))
	for i := range columns {
		line[i] = columns[i].name
	}
	if err := c.Write(line); err != nil {
		return err
	}
	for r := range rows {
		for i := range columns {
			line[i] = inert(columns[i].value(&rows[r]))
		}
		if err := c.Write(line); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// inert keeps a spreadsheet from taking a name for a formula, at the start of a cell or after white space that is dropped.
// The full-width forms count in East Asian editions.
func inert(cell string) string {
	start := strings.TrimLeftFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\uFEFF' })
	if first, _ := utf8.DecodeRuneInString(start); start != "" && strings.ContainsRune("=+-@＝＋－＠", first) || start != cell {
		return "'" + cell
	}
	return cell
}

func printTable[Row any](w *bufio.Writer, columns []reportColumn[Row], rows []Row) {
	lines := make([][]string, 1+len(rows))
	widths := make([]int, len(columns))
	for i, c := range columns {
		lines[0] = append(lines[0], c.name)
		for r := range rows {
			lines[1+r] = append(lines[1+r], printable(c.value(&rows[r])))
		}
		for _, line := range lines {
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
	}
	for _, line := range lines {
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case columns[i].number:
				cell = pad + cell
			case i < len(line)-1:
				cell += pad
			}
			if i > 0 {
				cell = "  " + cell
			}
			_, _ = w.WriteString(cell)
		}
		_ = w.WriteByte('\n')
	}
}

// widest is how much of a name a printed table shows, in characters.
const widest = 64

// printable returns a cell that cannot steer the terminal it is printed on: what is not printable becomes U+FFFD. A long
// name is cut, and one that is missing shown as such.
func printable(cell string) string {
	if cell == "" {
		return "(none)"
	}
	runes := []rune(cell)
	if len(runes) > widest {
		runes = append(runes[:widest-1], '…')
	}
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = utf8.RuneError
		}
	}
	return string(runes)
}
