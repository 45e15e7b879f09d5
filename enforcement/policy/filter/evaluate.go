// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import "github.com/tokenprotection/caddy-token-protection/enforcement/device"

// expression is a rule, or a part of one.
type expression interface {
	matches(*device.Device) bool
}

type (
	or  []expression
	and []expression
	not struct{ inner expression }
)

func (o or) matches(d *device.Device) bool {
	for _, part := range o {
		if part.matches(d) {
			return true
		}
	}
	return false
}

func (a and) matches(d *device.Device) bool {
	for _, part := range a {
		if !part.matches(d) {
			return false
		}
	}
	return true
}

func (n not) matches(d *device.Device) bool { return !n.inner.matches(d) }

// comparison compares one attribute with a value: the needles, the flag or null.
type comparison struct {
	attribute *attribute
	operator  operator
	needles   []needle
	flag      bool
	null      bool
}

func (c *comparison) matches(d *device.Device) bool {
	return c.positive(d) != c.operator.negative
}

// positive evaluates the operator's positive form.
func (c *comparison) positive(d *device.Device) bool {
	switch {
	case c.null:
		return c.isNull(d)
	case c.attribute.flag != nil:
		flag := c.attribute.flag(d)
		return flag != nil && *flag == c.flag
	case c.attribute.list != nil:
		return c.some(c.attribute.list(d))
	}
	text := c.attribute.text(d)
	return text != "" && c.holds(text)
}

func (c *comparison) isNull(d *device.Device) bool {
	switch {
	case c.attribute.flag != nil:
		return c.attribute.flag(d) == nil
	case c.attribute.list != nil:
		return len(c.attribute.list(d)) == 0
	}
	return c.attribute.text(d) == ""
}

// some says whether the operator holds for some value of a list. There, "contains" means that the list does.
func (c *comparison) some(values []string) bool {
	for _, value := range values {
		if c.operator.kind == contains && c.needles[0].equals(value) || c.operator.kind != contains && c.holds(value) {
			return true
		}
	}
	return false
}

// holds compares a text that is not null.
func (c *comparison) holds(text string) bool {
	switch c.operator.kind {
	case startsWith:
		return c.needles[0].begins(text)
	case endsWith:
		return c.needles[0].ends(text)
	case contains:
		return c.needles[0].within(text)
	}
	for _, n := range c.needles { // equals, in
		if n.equals(text) {
			return true
		}
	}
	return false
}
