// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package schematest checks sign-in records against the JSON schema that the project ships, for tests of whatever writes
// records. It knows the keywords that the schema uses and no others.
package schematest

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"unicode/utf8"
)

// Faults returns what is wrong with a record, as a JSON document, by a JSON schema; none if nothing is.
func Faults(schema, record []byte) []string {
	var rules map[string]any
	if err := json.Unmarshal(schema, &rules); err != nil {
		return []string{"schema: " + err.Error()}
	}
	var value any
	if err := json.Unmarshal(record, &value); err != nil {
		return []string{"record: " + err.Error()}
	}
	return conform(rules, value, "")
}

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
