// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import "strings"

// value reads what the attribute is compared with.
func (p *parser) value(c *comparison) error {
	if c.operator.kind == in {
		return p.list(c)
	}
	switch {
	case p.isNull() && c.operator.kind == equals:
		c.null = true
	case c.attribute.flag != nil:
		if !p.isBoolean() {
			return p.token.wrong(`"True", "False" or null`)
		}
		c.flag = strings.EqualFold(p.token.text, "true")
	case p.token.kind == quoted:
		c.needles = []needle{newNeedle(p.token.text)}
	case c.operator.kind == equals:
		return p.token.wrong("a string in quotes or null")
	default:
		return p.token.wrong("a string in quotes")
	}
	return p.advance()
}

// isNull says whether the next token is the null value, which has no quotes.
func (p *parser) isNull() bool {
	return p.token.kind == word && (strings.EqualFold(p.token.text, "null") || strings.EqualFold(p.token.text, "$null"))
}

func (p *parser) isBoolean() bool {
	return (p.token.kind == word || p.token.kind == quoted) && (strings.EqualFold(p.token.text, "true") || strings.EqualFold(p.token.text, "false"))
}

// list reads the strings after -in and -notIn.
func (p *parser) list(c *comparison) error {
	if p.token.kind != listStart {
		return p.token.wrong(`a list such as ["a", "b"]`)
	}
	for {
		if err := p.advance(); err != nil {
			return err
		}
		if p.token.kind != quoted {
			return p.token.wrong("a string in quotes")
		}
		c.needles = append(c.needles, newNeedle(p.token.text))
		if err := p.advance(); err != nil {
			return err
		}
		switch p.token.kind {
		case comma:
		case listEnd:
			return p.advance()
		default:
			return p.token.wrong(", or ]")
		}
	}
}
