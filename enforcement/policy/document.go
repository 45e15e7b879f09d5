// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The bounds on a policies file.
const (
	// MaxDocumentSize is in bytes.
	MaxDocumentSize = 4 << 20
	// MaxDocumentPolicies counts the skipped ones too.
	MaxDocumentPolicies = 1000
)

// Document is what a policies file holds.
type Document struct {
	// Policies are those that require token protection, in the file's order. They have not been checked: see Compile.
	Policies []Policy
	// Skipped are the others, in the file's order: they ask for what is not enforced here.
	Skipped []SkippedPolicy
}

// DocumentError is what is wrong with a policies file as a whole.
type DocumentError struct {
	// Line and Column count from 1, the column in bytes. They are 0 where the mistake has no place.
	Line, Column int
	// Problem says what was found and what is expected.
	Problem string
}

func (e *DocumentError) Error() string {
	if e.Line == 0 {
		return e.Problem
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

// ReadDocument reads a policies file: one policy as Microsoft Graph exports it, an array of them, or Graph's answer
// `{"value": [...]}`. A policy that does not enable secureSignInSession is skipped, whatever else it holds. The others are
// read as Policy.UnmarshalJSON does. The error joins every mistake found: a *DocumentError, or a *MemberError each.
func ReadDocument(r io.Reader) (Document, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxDocumentSize+1))
	if err != nil {
		return Document{}, err
	}
	if text, err = plainJSON(text); err != nil {
		return Document{}, err
	}
	elements, err := policiesIn(text)
	if err != nil {
		return Document{}, err
	}
	return readPolicies(elements)
}

// plainJSON returns the text without a byte order mark, if it is one JSON value.
func plainJSON(text []byte) ([]byte, error) {
	switch {
	case len(text) > MaxDocumentSize:
		return nil, &DocumentError{Problem: fmt.Sprintf("the file is larger than %d bytes", MaxDocumentSize)}
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return nil, &DocumentError{Problem: "the file is UTF-16; save it as UTF-8"}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return nil, placed(text, at, "a byte that is not UTF-8")
		}
		at += size
	}
	var value json.RawMessage
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, syntaxError(text, err)
	}
	return text, nil
}

// syntaxError adds the place to an error of the JSON package.
func syntaxError(text []byte, err error) error {
	var wrong *json.SyntaxError
	if errors.As(err, &wrong) {
		return placed(text, int(wrong.Offset)-1, wrong.Error())
	}
	return err
}

// placed returns an error with the line and the column of an offset.
func placed(text []byte, offset int, problem string) *DocumentError {
	before := text[:min(max(offset, 0), len(text))]
	return &DocumentError{
		Line:    bytes.Count(before, []byte("\n")) + 1,
		Column:  len(before) - bytes.LastIndexByte(before, '\n'),
		Problem: problem,
	}
}

// policiesIn returns the text of each policy of a document.
func policiesIn(text []byte) ([]json.RawMessage, error) {
	members, isObject := split(text)
	if !isObject {
		return elementsOf(text, "the file must hold a policy, an array of policies, or an object with an array of them as its value")
	}
	var answer []byte
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, &DocumentError{Problem: fmt.Sprintf(format, args...)})
	}
	for _, m := range members {
		switch {
		case m.name == "value" && answer != nil:
			problem("the member value is given twice")
		case m.name == "value":
			answer = m.value
		case strings.EqualFold(m.name, "value"):
			return nil, &DocumentError{Problem: fmt.Sprintf("the member %q must be written \"value\"", m.name)}
		case m.name == "@odata.nextLink" && !isEmpty(m.value, maxEmptyDepth):
			problem("there is an @odata.nextLink, so that this is one page of several; export all policies")
		}
	}
	if answer == nil {
		return []json.RawMessage{text}, nil
	}
	for _, m := range members {
		if m.name != "value" && !strings.Contains(m.name, "@odata.") {
			problem("unknown member %q beside value", m.name)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return elementsOf(answer, "the member value must be an array of policies")
}

func elementsOf(text []byte, expected string) ([]json.RawMessage, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(text, &elements); err != nil || elements == nil {
		return nil, &DocumentError{Problem: expected}
	}
	if len(elements) > MaxDocumentPolicies {
		return nil, &DocumentError{Problem: fmt.Sprintf("the file has %d policies; allowed: at most %d", len(elements), MaxDocumentPolicies)}
	}
	return elements, nil
}

func readPolicies(elements []json.RawMessage) (Document, error) {
	var document Document
	var problems []error
	for i, element := range elements {
		name := nameIn(element)
		// What has not even a name is no policy, but a mistake.
		if name != unnamed && asksForNothing(element) {
			document.Skipped = append(document.Skipped, skipped(element))
			continue
		}
		if name == unnamed {
			name = fmt.Sprintf("#%d", i+1)
		}
		var p Policy
		if err := p.read(element, name); err != nil {
			problems = append(problems, err)
			continue
		}
		document.Policies = append(document.Policies, p)
	}
	if len(problems) > 0 {
		return Document{}, errors.Join(problems...)
	}
	return document, nil
}
