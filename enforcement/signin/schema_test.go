// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin/schematest"
)

func decode(t *testing.T, document []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRecordsAgreeWithTheSchema(t *testing.T) {
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
		if faults := schematest.Faults(Schema, marshal(t, r)); faults != nil {
			t.Errorf("%s: %s", name, strings.Join(faults, "\n"))
		}
	}
}

func TestSchemaRefusesOtherRecords(t *testing.T) {
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
		if schematest.Faults(Schema, marshal(t, r)) == nil {
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
