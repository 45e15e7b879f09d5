// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// snippets returns the code blocks of a language in a page of the documentation.
func snippets(t testing.TB, page, language string) (list []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```").FindAllSubmatch(text, -1) {
		list = append(list, string(found[1])+"\n")
	}
	if len(list) == 0 {
		t.Fatalf("%s has no snippet in %s", page, language)
	}
	return list
}

// adaptedLogs are logs as the adapter writes them.
type adaptedLogs struct {
	Logging struct {
		Logs map[string]struct {
			Writer  struct{ Output, Filename, Address string }
			Encoder struct{ Format string }
			Include []string
		}
	}
}

func TestShippedLogsAdapt(t *testing.T) {
	for _, snippet := range snippets(t, "shipping.md", "caddyfile") {
		adapted, err := adapt(snippet)
		if err != nil {
			t.Errorf("%v in\n%s", err, snippet)
			continue
		}
		log := decode[adaptedLogs](t, []byte(adapted)).Logging.Logs["sign_in"]
		if !slices.Equal(log.Include, []string{signin.Logger}) || log.Encoder.Format != "json" || log.Writer.Filename+log.Writer.Address == "" {
			t.Errorf("%+v", log)
		}
		if formatted := string(caddyfile.Format([]byte(snippet))); formatted != snippet {
			t.Errorf("it is not formatted; expected\n%s", formatted)
		}
	}
}

// schemaTypes are the record's columns with their types.
func schemaTypes(t testing.TB) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../enforcement/signin/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schema := decode[struct {
		Properties map[string]struct{ Type any }
	}](t, text)
	types := make(map[string]any)
	for name, property := range schema.Properties {
		types[name] = property.Type
	}
	return types
}

// The rule for Log Analytics declares every column of a record, and reads the
// file that the snippet for files writes.
func TestDataCollectionRuleHasEveryColumn(t *testing.T) {
	type column struct{ Name, Type string }
	rule := decode[struct {
		Properties struct {
			StreamDeclarations map[string]struct{ Columns []column }
			DataSources        struct {
				LogFiles []struct{ Streams, FilePatterns []string }
			}
			DataFlows []struct{ Streams []string }
		}
	}](t, []byte(snippets(t, "shipping.md", "json")[0])).Properties
	stream := rule.DataFlows[0].Streams[0]
	left := schemaTypes(t)
	for _, column := range rule.StreamDeclarations[stream].Columns {
		of, ok := left[column.Name]
		if !ok {
			t.Errorf("no record has the column %s", column.Name)
		}
		if want := map[any]string{"boolean": "boolean", "integer": "int", "object": "dynamic"}[of]; want != "" && want != column.Type {
			t.Errorf("%s has the type %s, expected %s", column.Name, column.Type, want)
		}
		delete(left, column.Name)
	}
	if len(left) > 0 {
		t.Errorf("columns that are left out: %v", left)
	}
	source := rule.DataSources.LogFiles[0]
	if source.Streams[0] != stream || !strings.Contains(snippets(t, "shipping.md", "caddyfile")[0], source.FilePatterns[0]) {
		t.Errorf("source %+v", source)
	}
}

// What Alloy takes out of a line is in every line.
func TestAlloyReadsColumnsOfARecord(t *testing.T) {
	types := schemaTypes(t)
	config := snippets(t, "shipping.md", "alloy")[0]
	_, expressions, _ := strings.Cut(config, "expressions = {")
	expressions, _, _ = strings.Cut(expressions, "}")
	found := regexp.MustCompile(`= "(\w+)`).FindAllStringSubmatch(expressions, -1)
	if len(found) < 4 {
		t.Fatalf("expressions %v", found)
	}
	for _, expression := range found {
		if _, ok := types[expression[1]]; !ok {
			t.Errorf("no record has the column %s", expression[1])
		}
	}
	if !strings.Contains(snippets(t, "shipping.md", "caddyfile")[0], regexp.MustCompile(`"__path__" = "([^"]+)"`).FindStringSubmatch(config)[1]) {
		t.Error("it reads another file than the snippet for files writes")
	}
}
