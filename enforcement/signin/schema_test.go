// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// conform checks a value against the keywords that schema.json uses, and refuses to know any other.
func conform(schema map[string]any, v any, at string) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }
	if name, ok := schema["type"].(string); ok && !hasType(name, v) {
		fault("%v is not of type %s", v, name)
		return faults
	}
	for keyword, rule := range schema {
		switch keyword {
		case "$schema", "title", "description", "type", "format", "contentMediaType", "additionalProperties":
		case "enum":
			if !slices.ContainsFunc(rule.([]any), func(e any) bool { return reflect.DeepEqual(e, v) }) {
				fault("%v is not one of %v", v, rule)
			}
		case "required":
			for _, name := range rule.([]any) {
				if _, ok := v.(map[string]any)[name.(string)]; !ok {
					fault("%s is missing", name)
				}
			}
		case "properties":
			for name, member := range v.(map[string]any) {
				sub, ok := rule.(map[string]any)[name]
				if !ok {
					fault("%s is not allowed", name)
					continue
				}
				faults = append(faults, conform(sub.(map[string]any), member, at+"/"+name)...)
			}
		case "items":
			for i, item := range v.([]any) {
				faults = append(faults, conform(rule.(map[string]any), item, fmt.Sprintf("%s/%d", at, i))...)
			}
		case "maxItems":
			if len(v.([]any)) > int(rule.(float64)) {
				fault("more than %v items", rule)
			}
		case "minLength", "maxLength":
			n := float64(utf8.RuneCountInString(v.(string)))
			if keyword == "minLength" && n < rule.(float64) || keyword == "maxLength" && n > rule.(float64) {
				fault("length %v breaks %s %v", n, keyword, rule)
			}
		case "minimum":
			if v.(float64) < rule.(float64) {
				fault("%v is below %v", v, rule)
			}
		case "pattern":
			if !regexp.MustCompile(rule.(string)).MatchString(v.(string)) {
				fault("%v does not match %s", v, rule)
			}
		case "contentSchema":
			var content any
			if err := json.Unmarshal([]byte(v.(string)), &content); err != nil {
				fault("content: %v", err)
				continue
			}
			faults = append(faults, conform(rule.(map[string]any), content, at+"#")...)
		default:
			fault("keyword %s is unknown to the test", keyword)
		}
	}
	return faults
}

func hasType(name string, v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return name == "object"
	case []any:
		return name == "array"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	}
	return false
}

func decode(t *testing.T, document []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRecordsAgreeWithTheSchema(t *testing.T) {
	schema := decode(t, Schema)
	anonymous := blockedRecord().folded()
	anonymous.RequestCount = 1
	everything := Policies([]PolicyResult{
		{Result: PolicySuccess}, {Result: PolicyFailure}, {Result: PolicyNotApplied}, {Result: PolicyNotEnabled},
		{Result: PolicyReportOnlySuccess}, {Result: PolicyReportOnlyFailure}, {Result: PolicyReportOnlyNotApplied},
	})
	long := blockedRecord()
	long.ConditionalAccessPolicies = everything
	long.strings(func(s *string, _ int) { *s = strings.Repeat("\xffé", 400) })
	for name, r := range map[string]Record{"blocked": blockedRecord(), "folded": anonymous, "long": long.bounded()} {
		if faults := conform(schema, decode(t, marshal(t, r)), name); faults != nil {
			t.Errorf("%s", strings.Join(faults, "\n"))
		}
	}
}

func TestSchemaRefusesOtherRecords(t *testing.T) {
	schema := decode(t, Schema)
	for name, spoil := range map[string]func(*Record){
		"no id":                 func(r *Record) { r.ID = "" },
		"local time":            func(r *Record) { r.TimeGenerated = "2026-03-04T06:07:08.009+01:00" },
		"no request":            func(r *Record) { r.RequestCount = 0 },
		"foreign code":          func(r *Record) { r.TokenProtectionStatusDetails.SignInSessionStatusCode = 1001 },
		"foreign decision":      func(r *Record) { r.Decision = "maybe" },
		"policies not JSON":     func(r *Record) { r.ConditionalAccessPolicies = "" },
		"policies not an array": func(r *Record) { r.ConditionalAccessPolicies = "{}" },
		"policy row cut":        func(r *Record) { r.ConditionalAccessPolicies = `[{"id":"p1"}]` },
		"name too long":         func(r *Record) { r.UserID = strings.Repeat("x", MaxName+1) },
	} {
		r := blockedRecord()
		spoil(&r)
		if conform(schema, decode(t, marshal(t, r)), "") == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSchemaRequiresAndClosesEveryObject(t *testing.T) {
	schema := decode(t, Schema)
	if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %v", schema["$schema"])
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		object, ok := v.(map[string]any)
		if !ok {
			return
		}
		if object["type"] == "object" {
			properties := object["properties"].(map[string]any)
			if object["additionalProperties"] != false || len(object["required"].([]any)) != len(properties) {
				t.Errorf("%s: open, or with members that are not required", at)
			}
		}
		for name, member := range object {
			walk(at+"/"+name, member)
		}
	}
	walk("", schema)
}
