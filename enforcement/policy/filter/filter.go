// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package filter is Entra's rule language for devices, the one that a Conditional Access policy's "filter for devices"
// is written in:
//
//	device.systemLabels -contains "CloudPC" -and -not (device.trustType -in ["ServerAD", "Workplace"])
//
//	rule       = conjunction *( "-or" conjunction )
//	conjunction = negation *( "-and" negation )
//	negation   = "-not" negation / "(" rule ")" / comparison
//	comparison = attribute operator value
//	value      = string / "true" / "false" / "null" / "[" string *( "," string ) "]"
//
// Names of attributes and operators are read in any case, the hyphen before an operator and the prefix `device.` may be
// left out. A string stands in double quotes, where a backtick before a double quote makes it part of the string, or in
// single quotes, where two of them stand for one. A rule has at most MaxLength characters.
//
// An attribute that the directory does not know is null, and so is every attribute of a device that is not registered: a
// positive operator then never matches, and a negative one always does. Only a comparison with null itself asks for just
// that. Each negative operator is the exact complement of its positive one.
//
// Text is compared without case, as Entra does; a letter of ASCII equals no letter outside of it. For an attribute that is
// a list, an operator matches if it matches for some value, and `-contains` asks for a whole value. Entra shows extension
// attributes only of devices that are managed, compliant or hybrid joined; here a directory that has them is believed.
//
// Sources: Microsoft's "Conditional Access: Filter for devices" and "Manage rules for dynamic membership groups".
package filter

import (
	"unicode/utf8"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// MaxLength is the largest number of characters of a rule, as in Entra.
const MaxLength = 3072

// Rule is a rule that has been parsed. It is immutable and safe for concurrent use.
type Rule struct {
	root       expression
	attributes []*attribute
}

// Parse reads a rule. The error is a *SyntaxError.
func Parse(text string) (*Rule, error) {
	if length := utf8.RuneCountInString(text); length > MaxLength {
		return nil, &SyntaxError{Position: MaxLength + 1, Found: "more characters", Expected: "at most 3072"}
	}
	p := parser{lexer: lexer{rest: text, position: 1}, rule: &Rule{}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return p.rule, nil
}

// Matches says whether the rule holds for the device; nil is a device that is not registered. It allocates nothing.
func (r *Rule) Matches(d *device.Device) bool {
	if d == nil {
		d = &unregistered
	}
	return r.root.matches(d)
}

// unregistered has no attributes.
var unregistered device.Device

// OnlyChangeable says whether the rule rests on nothing but attributes that the user of a device can change: its name and
// what it says about its hardware.
func (r *Rule) OnlyChangeable() bool {
	for _, a := range r.attributes {
		if !a.changeable {
			return false
		}
	}
	return true
}
