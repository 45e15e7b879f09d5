// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// This file draws rules from the grammar, writes them in any spelling, and checks Parse and Matches against a second
// evaluator that works on the drawn tree, on attributes by name and on texts in upper case.

// drawn is a rule as it was drawn: a leaf has an attribute, an inner node has parts.
type drawn struct {
	join                string // -and, -or, -not
	parts               []*drawn
	attribute, operator string
	values              []string
	null                bool
}

type drawer struct{ *rand.Rand }

func (d drawer) one(in int) bool { return d.IntN(in) == 0 }

func pick[T any](d drawer, values ...T) T { return values[d.IntN(len(values))] }

var (
	drawnTexts      = []string{"deviceId", "displayName", "trustType", "model", "extensionAttribute1", "extensionAttribute15"}
	drawnLists      = []string{"systemLabels", "physicalIds"}
	drawnOperators  = []string{"-eq", "-ne", "-startsWith", "-notStartsWith", "-endsWith", "-notEndsWith", "-contains", "-notContains", "-in", "-notIn"}
	drawnValues     = []string{"", "a", "A", "ab", "aba", "Bab", "ä", "Ä-b", `"`, `'`, "`", "a`\"b", "(-not)", "null", "\u212a"}
	naiveAttributes = map[string]func(*device.Device) []string{
		"deviceId":             func(d *device.Device) []string { return []string{d.ID} },
		"displayName":          func(d *device.Device) []string { return []string{d.DisplayName} },
		"trustType":            func(d *device.Device) []string { return []string{d.TrustType} },
		"model":                func(d *device.Device) []string { return []string{d.Model} },
		"extensionAttribute1":  func(d *device.Device) []string { return []string{d.ExtensionAttributes["extensionAttribute1"]} },
		"extensionAttribute15": func(d *device.Device) []string { return []string{d.ExtensionAttributes["extensionAttribute15"]} },
		"systemLabels":         func(d *device.Device) []string { return d.SystemLabels },
		"physicalIds":          func(d *device.Device) []string { return d.PhysicalIDs },
		"isCompliant": func(d *device.Device) []string {
			if d.IsCompliant == nil {
				return nil
			}
			return []string{map[bool]string{true: "TRUE", false: "FALSE"}[*d.IsCompliant]}
		},
	}
)

func (d drawer) rule(depth int) *drawn {
	if depth > 0 && d.one(2) {
		r := &drawn{join: pick(d, "-and", "-or", "-not"), parts: []*drawn{d.rule(depth - 1)}}
		for r.join != "-not" && (len(r.parts) < 2 || d.one(3)) {
			r.parts = append(r.parts, d.rule(depth-1))
		}
		return r
	}
	if d.one(6) {
		return &drawn{attribute: "isCompliant", operator: pick(d, "-eq", "-ne"), values: []string{pick(d, "True", "false")}, null: d.one(4)}
	}
	r := &drawn{attribute: pick(d, append(drawnTexts, drawnLists...)...), operator: pick(d, drawnOperators...), values: []string{pick(d, drawnValues...)}}
	if strings.HasSuffix(strings.ToLower(r.operator), "in") {
		for d.one(2) {
			r.values = append(r.values, pick(d, drawnValues...))
		}
	}
	r.null = len(r.operator) == 3 && r.operator != "-in" && d.one(5)
	return r
}

// write spells the rule in one of the ways that the grammar allows.
func (d drawer) write(r *drawn) string {
	text := ""
	switch {
	case r.join == "-not":
		text = d.spell("-not") + " " + d.writeInside(r.parts[0])
	case r.join != "":
		var parts []string
		for _, part := range r.parts {
			parts = append(parts, d.writeInside(part))
		}
		text = strings.Join(parts, " "+d.spell(r.join)+" ")
	default:
		text = pick(d, "device.", "", "Device.") + d.cases(r.attribute) + " " + d.spell(r.operator) + " " + d.value(r)
	}
	if d.one(4) {
		return "(" + text + ")"
	}
	return text
}

// writeInside writes a part of another rule: with parentheses where there is a choice of meaning.
func (d drawer) writeInside(r *drawn) string {
	if r.join == "-and" || r.join == "-or" {
		return "( " + d.write(r) + ")"
	}
	return d.write(r)
}

func (d drawer) spell(operator string) string {
	return d.cases(pick(d, operator, operator, operator[1:]))
}

func (d drawer) cases(s string) string {
	return pick(d, s, s, strings.ToLower(s), strings.ToUpper(s))
}

func (d drawer) value(r *drawn) string {
	switch {
	case r.null:
		return pick(d, "null", "NULL", "$null")
	case r.attribute == "isCompliant" && d.one(2):
		return r.values[0]
	case !strings.HasSuffix(strings.ToLower(r.operator), "in"):
		return d.quote(r.values[0])
	}
	var quoted []string
	for _, value := range r.values {
		quoted = append(quoted, d.quote(value))
	}
	return "[" + strings.Join(quoted, pick(d, ",", " , ")) + "]"
}

func (d drawer) quote(value string) string {
	// A backtick at the end would escape the closing double quote, and one before a quote in the value stays what it is.
	if d.one(2) || strings.HasSuffix(value, "`") || strings.Contains(value, "`\"") {
		return "'" + strings.ReplaceAll(value, "'", "''") + "'"
	}
	return `"` + strings.ReplaceAll(value, `"`, "`\"") + `"`
}

func (d drawer) device() *device.Device {
	if d.one(6) {
		return nil
	}
	list := func() (values []string) {
		for d.one(2) {
			values = append(values, pick(d, drawnValues...))
		}
		return values
	}
	out := &device.Device{
		ID: pick(d, drawnValues...), DisplayName: pick(d, drawnValues...), TrustType: pick(d, drawnValues...), Model: pick(d, drawnValues...),
		SystemLabels: list(), PhysicalIDs: list(),
	}
	if d.one(2) {
		out.ExtensionAttributes = map[string]string{"extensionAttribute1": pick(d, drawnValues...), "extensionAttribute15": pick(d, drawnValues...)}
	}
	if compliant := d.one(2); d.one(2) {
		out.IsCompliant = &compliant
	}
	return out
}

// naiveUpper knows the letters that are drawn.
func naiveUpper(s string) string {
	return strings.NewReplacer("a", "A", "b", "B", "n", "N", "o", "O", "t", "T", "u", "U", "l", "L", "r", "R", "e", "E", "f", "F", "s", "S", "ä", "Ä").Replace(s)
}

func (r *drawn) naive(d *device.Device) bool {
	switch r.join {
	case "-not":
		return !r.parts[0].naive(d)
	case "-and", "-or":
		result := r.join == "-and"
		for _, part := range r.parts {
			if r.join == "-and" {
				result = part.naive(d) && result
			} else {
				result = part.naive(d) || result
			}
		}
		return result
	}
	var attribute []string
	if d != nil {
		attribute = naiveAttributes[r.attribute](d)
	}
	isList := r.attribute == "systemLabels" || r.attribute == "physicalIds"
	if !isList && len(attribute) == 1 && attribute[0] == "" {
		attribute = nil
	}
	negative := r.operator == "-ne" || strings.HasPrefix(r.operator, "-not")
	found := false
	for _, have := range attribute {
		for _, want := range r.values {
			have, want := naiveUpper(have), naiveUpper(want)
			switch strings.ToLower(strings.Replace(r.operator, "not", "", 1)) {
			case "-startswith":
				found = found || strings.HasPrefix(have, want)
			case "-endswith":
				found = found || strings.HasSuffix(have, want)
			case "-contains":
				found = found || have == want || !isList && strings.Contains(have, want)
			default: // -eq, -ne, -in
				found = found || have == want
			}
		}
	}
	if r.null {
		found = len(attribute) == 0
	}
	return found != negative
}

func checkDrawn(t *testing.T, seed uint64) bool {
	t.Helper()
	d := drawer{rand.New(rand.NewPCG(seed, 1))}
	r := d.rule(4)
	text := d.write(r)
	if utf8.RuneCountInString(text) > MaxLength {
		return false
	}
	rule, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for range 8 {
		on := d.device()
		if got, want := rule.Matches(on), r.naive(on); got != want {
			t.Fatalf("%s\non %+v: got %t, want %t", text, on, got, want)
		}
	}
	return rule.Matches(d.device())
}

func TestDrawnRulesAgreeWithTheNaiveReading(t *testing.T) {
	matched := 0
	const rounds = 2000
	for seed := range uint64(rounds) {
		if checkDrawn(t, seed) {
			matched++
		}
	}
	if matched < rounds/10 || matched > rounds-rounds/10 {
		t.Errorf("%d of %d rules match: the rules drawn prove little", matched, rounds)
	}
}

func FuzzDrawnRulesAgreeWithTheNaiveReading(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(func(t *testing.T, seed uint64) { checkDrawn(t, seed) })
}

// A refused text is refused at a character that it has, or at its end; an accepted one has an answer for every device.
func FuzzParse(f *testing.F) {
	for seed := range uint64(20) {
		d := drawer{rand.New(rand.NewPCG(seed, 2))}
		f.Add(d.write(d.rule(3)))
	}
	f.Add(`device.systemLabels -any (_ -eq "M365Managed")`)
	f.Add("((((-not -not a.b[,]'' \"`\"")
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := Parse(text)
		if err == nil {
			rule.Matches(nil)
			rule.Matches(laptop())
			return
		}
		wrong := new(SyntaxError)
		if !errors.As(err, &wrong) || wrong.Position < 1 || wrong.Position > utf8.RuneCountInString(text)+1 || wrong.Found == "" || wrong.Expected == "" {
			t.Fatalf("%q: %#v", text, err)
		}
	})
}
