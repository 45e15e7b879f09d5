// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import "strings"

// operator is a comparison, or its complement.
type operator struct {
	kind     comparisonKind
	negative bool
}

type comparisonKind int

const (
	equals comparisonKind = iota
	startsWith
	endsWith
	contains
	in
)

// operators are in the order in which errors list them: each positive one before its complement.
var operators = []struct {
	name string
	operator
}{
	{"-eq", operator{equals, false}},
	{"-ne", operator{equals, true}},
	{"-startsWith", operator{startsWith, false}},
	{"-notStartsWith", operator{startsWith, true}},
	{"-endsWith", operator{endsWith, false}},
	{"-notEndsWith", operator{endsWith, true}},
	{"-contains", operator{contains, false}},
	{"-notContains", operator{contains, true}},
	{"-in", operator{in, false}},
	{"-notIn", operator{in, true}},
}

// operatorsByName has them by their names in lower case and without the hyphen.
var operatorsByName = func() map[string]operator {
	byName := map[string]operator{}
	for _, o := range operators {
		byName[strings.ToLower(o.name[1:])] = o.operator
	}
	return byName
}()

var operatorNames = func() string {
	var names []string
	for _, o := range operators {
		names = append(names, o.name)
	}
	return strings.Join(names, ", ")
}()
