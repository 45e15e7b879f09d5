// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// missingIn returns the words that stand in none of the pages as code.
func missingIn(t *testing.T, words []string, pages ...string) (missing []string) {
	t.Helper()
	text := ""
	for _, page := range pages {
		content, err := os.ReadFile("../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		text += string(content)
	}
	for _, word := range words {
		if !strings.Contains(text, "`"+word+"`") && !strings.Contains(text, "`"+word+" ") {
			missing = append(missing, word)
		}
	}
	return missing
}

// An administrator looks a reason up that stands in a record.
func TestEveryReasonIsDocumented(t *testing.T) {
	var words []string
	for _, why := range reason.All() {
		words = append(words, string(why))
	}
	if missing := missingIn(t, words, "sign-in-log.md"); len(missing) > 0 {
		t.Errorf("docs/sign-in-log.md does not have %v", missing)
	}
}

func TestEveryWarningIsDocumented(t *testing.T) {
	rules := []string{
		string(policy.NoBreakGlass), string(policy.WholeOffice365), string(policy.ClientAppsNotConfigured), string(policy.BrowserWithoutDBSC),
		string(policy.GuestsIncluded), string(policy.GuestKindsWidened), string(policy.PlatformGap), string(policy.ExpiredExclusion),
		string(policy.LocationGap), string(policy.NoTrustedLocation), string(policy.UnregisteredDeviceGap), string(policy.ChangeableDeviceAttributes),
	}
	if missing := missingIn(t, rules, "policies.md"); len(missing) > 0 {
		t.Errorf("docs/policies.md does not have %v", missing)
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	var words []string
	for _, module := range []any{App{}, Handler{}} {
		words = fieldsOf(reflect.TypeOf(module), words)
	}
	if missing := missingIn(t, words, "configuration.md", "devices.md"); len(missing) > 0 {
		t.Errorf("neither docs/configuration.md nor docs/devices.md has %v", missing)
	}
}

func TestEveryPolicyMemberIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[policy.Policy]().NumField() {
		field := reflect.TypeFor[policy.Policy]().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		for _, member := range fieldsOf(field.Type, []string{name}) {
			if !strings.Contains(string(text), member) {
				t.Errorf("docs/policies.md does not have %s", member)
			}
		}
	}
}

// fieldsOf appends the JSON names of a configuration and of what is in it.
// Policies have a page of their own.
func fieldsOf(of reflect.Type, words []string) []string {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[policy.Policy]() {
		return words
	}
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		words = fieldsOf(field.Type, append(words, name))
	}
	return words
}
