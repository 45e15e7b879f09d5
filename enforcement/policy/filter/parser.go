// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"strings"
)

// maxDepth bounds the nesting of parentheses and negations.
const maxDepth = 64

// parser reads a rule by recursive descent, one function a rule of the grammar.
type parser struct {
	lexer
	token token // the next one
	depth int
	rule  *Rule
}

func (p *parser) parse() error {
	if err := p.advance(); err != nil {
		return err
	}
	root, err := p.disjunction()
	if err != nil {
		return err
	}
	if p.token.kind != end {
		return p.token.wrong("-and, -or or the end of the rule")
	}
	p.rule.root = root
	return nil
}

// advance reads the next token. It returns a plain error, so that nil stays nil.
func (p *parser) advance() error {
	t, err := p.next()
	if err != nil {
		return err
	}
	p.token = t
	return nil
}

// isWord says whether the next token is the word, which begins with a hyphen, with or without it.
func (p *parser) isWord(name string) bool {
	return p.token.kind == word && (strings.EqualFold(p.token.text, name) || strings.EqualFold(p.token.text, name[1:]))
}

func (p *parser) disjunction() (expression, error) {
	return p.chain("-or", p.conjunction, func(parts []expression) expression { return or(parts) })
}

func (p *parser) conjunction() (expression, error) {
	return p.chain("-and", p.negation, func(parts []expression) expression { return and(parts) })
}

// chain reads parts with the operator between them.
func (p *parser) chain(operator string, part func() (expression, error), join func([]expression) expression) (expression, error) {
	var parts []expression
	for {
		next, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, next)
		if !p.isWord(operator) {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return join(parts), nil
}

func (p *parser) negation() (expression, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.token.wrong(fmt.Sprintf("at most %d parentheses and negations inside each other", maxDepth))
	}
	defer func() { p.depth-- }()
	switch {
	case p.isWord("-not"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		inner, err := p.negation()
		if err != nil {
			return nil, err
		}
		return not{inner}, nil
	case p.token.kind == opening:
		return p.group()
	}
	return p.comparison()
}

func (p *parser) group() (expression, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	inner, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	if p.token.kind != closing {
		return nil, p.token.wrong("-and, -or or )")
	}
	return inner, p.advance()
}

func (p *parser) comparison() (expression, error) {
	a, err := p.attribute()
	if err != nil {
		return nil, err
	}
	at := p.token
	o, err := p.operator()
	if err != nil {
		return nil, err
	}
	if a.flag != nil && o.kind != equals {
		return nil, at.wrong("-eq or -ne: " + a.name + " is true or false")
	}
	c := comparison{attribute: a, operator: o}
	if err := p.value(&c); err != nil {
		return nil, err
	}
	p.rule.attributes = append(p.rule.attributes, a)
	return &c, nil
}

func (p *parser) attribute() (*attribute, error) {
	if p.token.kind != word {
		return nil, p.token.wrong("an attribute such as device.trustType, -not or (")
	}
	name := strings.ToLower(p.token.text)
	a, ok := attributesByName[strings.TrimPrefix(name, "device.")]
	if !ok {
		return nil, p.token.wrong("an attribute: one of " + attributeNames)
	}
	return a, p.advance()
}

func (p *parser) operator() (operator, error) {
	if p.token.kind == word {
		if o, ok := operatorsByName[strings.ToLower(strings.TrimPrefix(p.token.text, "-"))]; ok {
			return o, p.advance()
		}
	}
	return operator{}, p.token.wrong("an operator: one of " + operatorNames)
}
