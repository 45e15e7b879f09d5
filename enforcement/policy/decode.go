// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// UnmarshalJSON reads one policy in Graph's shape. Members that say nothing here (times, template, annotations) are
// ignored; members that would narrow or widen the policy and are not supported are accepted only if they are null or
// empty. Anything else is refused: unknown members that hold something, names in the wrong case, names given twice,
// invalid UTF-8. The error joins every mistake found, each a *MemberError. Values are checked by Compile, not here.
func (p *Policy) UnmarshalJSON(document []byte) error {
	return p.read(document, nameIn(document))
}

// read does what UnmarshalJSON does; name is what errors call the policy.
func (p *Policy) read(document []byte, name string) error {
	r := reader{subject: "policy", fail: func(member, problem string) error {
		return &MemberError{Policy: name, Member: member, Problem: problem}
	}}
	if err := r.document(document, policyShape); err != nil {
		return err
	}
	type plain Policy // without this method
	var parsed plain
	if err := json.Unmarshal(document, &parsed); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			r.problem(wrong.Field, "must be %s, not %s", describe(wrong.Type.Kind()), wrong.Value)
			return errors.Join(r.problems...)
		}
		return fmt.Errorf("policy %q: %w", name, err)
	}
	*p = Policy(parsed)
	p.dropEmpty()
	return nil
}

// dropEmpty gives a list without values its one form: nil.
func (p *Policy) dropEmpty() {
	u, a, l := &p.Conditions.Users, &p.Conditions.Applications, &p.Conditions.Locations
	for _, list := range []*[]string{
		&u.IncludeUsers, &u.ExcludeUsers, &u.IncludeGroups, &u.ExcludeGroups, &u.IncludeRoles, &u.ExcludeRoles,
		&a.IncludeApplications, &a.ExcludeApplications, &l.IncludeLocations, &l.ExcludeLocations,
	} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	for _, list := range []*[]Platform{&p.Conditions.Platforms.IncludePlatforms, &p.Conditions.Platforms.ExcludePlatforms} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	if len(p.Conditions.ClientAppTypes) == 0 {
		p.Conditions.ClientAppTypes = nil
	}
	if len(p.TokenProtection.ExclusionExpiry) == 0 {
		p.TokenProtection.ExclusionExpiry = nil
	}
	if f := p.Conditions.Devices.DeviceFilter; f != nil && *f == (DeviceFilter{}) {
		p.Conditions.Devices.DeviceFilter = nil
	}
}

// reader walks a document along a shape and collects what is wrong.
type reader struct {
	// subject is what the document describes.
	subject string
	// fail makes an error of what is wrong with a member.
	fail     func(member, problem string) error
	problems []error
}

func (r *reader) problem(path, format string, args ...any) {
	if path == "" {
		path = "(" + r.subject + ")"
	}
	r.problems = append(r.problems, r.fail(path, fmt.Sprintf(format, args...)))
}

// document looks at the whole of it. The error joins what is wrong.
func (r *reader) document(text []byte, members shape) error {
	if utf8.Valid(text) {
		r.object("", text, members)
	} else {
		r.problem("", "is not valid UTF-8")
	}
	return errors.Join(r.problems...)
}

func (r *reader) object(path string, document []byte, members shape) {
	if isNull(document) && path != "" {
		return
	}
	list, ok := split(document)
	if !ok {
		r.problem(path, "must be an object")
		return
	}
	seen := map[string]bool{}
	for _, m := range list {
		at := m.name
		if path != "" {
			at = path + "." + m.name
		}
		if seen[m.name] {
			r.problem(at, "is given twice")
			continue
		}
		seen[m.name] = true
		if strings.Contains(m.name, "@odata.") {
			continue // an annotation (OData JSON 4.01, section 4.6), never part of the policy's meaning
		}
		r.member(at, m, members)
	}
}

func (r *reader) member(at string, m member, members shape) {
	rule, known := members[m.name]
	if !known {
		for name := range members {
			if strings.EqualFold(name, m.name) {
				r.problem(at, "must be written %q", name)
				return
			}
		}
		if !isEmpty(m.value, maxEmptyDepth) {
			r.problem(at, "unknown member; it might change what the %s means", r.subject)
		}
		return
	}
	switch rule.kind {
	case object:
		r.object(at, m.value, rule.members)
	case objects:
		r.objects(at, m.value, rule.members)
	case unsupported:
		if !isEmpty(m.value, maxEmptyDepth) {
			r.problem(at, "not supported yet")
		}
	case control:
		if !isEmpty(m.value, maxEmptyDepth) && !isDisabled(m.value) {
			r.problem(at, "not supported yet; the only session control is secureSignInSession")
		}
	case only:
		var value string
		if !isEmpty(m.value, maxEmptyDepth) && (json.Unmarshal(m.value, &value) != nil || value != rule.value) {
			r.problem(at, "not supported yet, except %q", rule.value)
		}
	}
}

func (r *reader) objects(at string, value []byte, members shape) {
	var elements []json.RawMessage
	if json.Unmarshal(value, &elements) != nil {
		r.problem(at, "must be a list of objects")
		return
	}
	for i, element := range elements {
		r.object(fmt.Sprintf("%s[%d]", at, i), element, members)
	}
}

// member is one member of a JSON object: its name with escapes resolved, and the text of its value.
type member struct {
	name  string
	value json.RawMessage
}

// split returns the members of an object, in order, those with the same name too, and false if the document is no object.
func split(document []byte) ([]member, bool) {
	d := json.NewDecoder(bytes.NewReader(document))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	var list []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		m := member{name: name.(string)} // the decoder gives nothing else where a name must stand
		if err := d.Decode(&m.value); err != nil {
			return nil, false
		}
		list = append(list, m)
	}
	return list, true
}

// maxEmptyDepth is how deep an object can be nested and still be called empty: exports do not go deeper than two.
const maxEmptyDepth = 8

// isEmpty says whether a value configures nothing: null, "", [] or an object with nothing but such values in it.
func isEmpty(value []byte, depth int) bool {
	switch string(bytes.TrimSpace(value)) {
	case "null", `""`:
		return true
	}
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil {
		return len(list) == 0
	}
	members, ok := split(value)
	if !ok || depth == 0 {
		return false
	}
	for _, m := range members {
		if !strings.Contains(m.name, "@odata.") && !isEmpty(m.value, depth-1) {
			return false
		}
	}
	return true
}

// isDisabled says whether a session control says {"isEnabled": false}.
func isDisabled(value []byte) bool {
	members, _ := split(value)
	disabled := 0
	for _, m := range members {
		if m.name == "isEnabled" {
			if string(m.value) != "false" {
				return false
			}
			disabled++
		}
	}
	return disabled == 1
}

func isNull(value []byte) bool { return string(bytes.TrimSpace(value)) == "null" }

// unnamed is what errors call a policy that has no name.
const unnamed = "?"

// nameIn finds what errors can call a policy that has not been read yet.
func nameIn(document []byte) string {
	var named struct{ DisplayName, ID any }
	// What does not parse is reported by the caller; the name is a courtesy.
	_ = json.Unmarshal(document, &named)
	for _, name := range []any{named.DisplayName, named.ID} {
		if s, ok := name.(string); ok && s != "" {
			return s
		}
	}
	return unnamed
}

// describe says in JSON's words what a Go type takes.
func describe(kind reflect.Kind) string {
	switch kind {
	case reflect.Slice:
		return "a list of strings"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.String:
		return "a string"
	}
	return "an object"
}
