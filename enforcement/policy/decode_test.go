// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// graphCases reads testdata/graph: a policy as it is written, a line of dashes, and its tidy form or the error.
func graphCases(t testing.TB) map[string][2]string {
	t.Helper()
	files, err := filepath.Glob("testdata/graph/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	cases := map[string][2]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		document, want, ok := strings.Cut(string(text), "\n----------\n")
		if !ok {
			t.Fatalf("%s has no line of dashes", file)
		}
		cases[strings.TrimSuffix(filepath.Base(file), ".txt")] = [2]string{document, strings.TrimSpace(want)}
	}
	return cases
}

func TestGraphPolicies(t *testing.T) {
	for name, c := range graphCases(t) {
		t.Run(name, func(t *testing.T) {
			var p Policy
			// Called directly where the JSON package would not call it: for null.
			err := p.UnmarshalJSON([]byte(c[0]))
			if refused := strings.HasPrefix(name, "refused_"); refused != (err != nil) {
				t.Fatalf("got error %v", err)
			}
			if err != nil {
				if err.Error() != c[1] {
					t.Errorf("got\n%v\nwant\n%s", err, c[1])
				}
				return
			}
			tidy, err := json.MarshalIndent(p, "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			if string(tidy) != c[1] {
				t.Errorf("got\n%s\nwant\n%s", tidy, c[1])
			}
			if _, err := Compile([]Policy{p}, nil); err != nil {
				t.Errorf("it does not compile: %v", err)
			}
		})
	}
}

func TestPolicyJSONRefusesInvalidUTF8(t *testing.T) {
	var p Policy
	err := p.UnmarshalJSON([]byte("{\"displayName\": \"a\xff\"}"))
	if err == nil || !strings.HasSuffix(err.Error(), "is not valid UTF-8") {
		t.Errorf("got %v", err)
	}
}

func TestPolicyJSONSaysWhichTypeAMemberTakes(t *testing.T) {
	for document, want := range map[string]string{
		`{"displayName": 1}`:                                               `displayName: must be a string, not number`,
		`{"state": true}`:                                                  `state: must be a string, not bool`,
		`{"conditions": {"clientAppTypes": [1]}}`:                          `conditions.clientAppTypes: must be a string, not number`,
		`{"conditions": {"platforms": {"includePlatforms": {}}}}`:          `conditions.platforms.includePlatforms: must be a list of strings, not object`,
		`{"sessionControls": {"secureSignInSession": {"isEnabled": "y"}}}`: `sessionControls.secureSignInSession.isEnabled: must be true or false, not string`,
		`{"tokenProtection": {"rolloutPercent": "25%"}}`:                   `tokenProtection.rolloutPercent: must be a whole number, not string`,
		`[]`: `(policy): must be an object`,
	} {
		var p Policy
		err := p.UnmarshalJSON([]byte(document))
		if err == nil || !strings.HasSuffix(err.Error(), `": `+want) {
			t.Errorf("%s: got %v, want %s", document, err, want)
		}
	}
}

func TestPolicyJSONRefusesWhatIsNotOneDocument(t *testing.T) {
	for _, document := range []string{``, `{`, `{"displayName": "cut"`, `{"displayName": }`, `{"displayName": "a"} {}`, `{"displayName": "a",}`, `{1: 2}`} {
		if p := (Policy{}); p.UnmarshalJSON([]byte(document)) == nil || !reflect.DeepEqual(p, Policy{}) {
			t.Errorf("%s: accepted as %+v", document, p)
		}
	}
}

// What nests deeper than any export is not called empty, however little it says.
func TestAnEndlesslyNestedMemberIsNotEmpty(t *testing.T) {
	for depth, empty := range map[int]bool{maxEmptyDepth: true, maxEmptyDepth + 2: false} {
		document := strings.Repeat(`{"a":`, depth) + "null" + strings.Repeat("}", depth)
		if got := isEmpty([]byte(document), maxEmptyDepth); got != empty {
			t.Errorf("depth %d: got %t, want %t", depth, got, empty)
		}
	}
}

func FuzzPolicyJSON(f *testing.F) {
	for _, c := range graphCases(f) {
		f.Add([]byte(c[0]))
	}
	f.Add([]byte(`{"displayName":"\ud800","conditions":{"clientAppTypes":[null]}}`))
	f.Add([]byte(`{"conditions":{"users":{"includeGuestsOrExternalUsers":{}}},"sessionControls":null,"tokenProtection":{"rolloutPercent":null}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		var p Policy
		if json.Unmarshal(document, &p) != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("accepted, and not written: %v", err)
		}
		var q Policy
		if err := json.Unmarshal(again, &q); err != nil {
			t.Fatalf("its own form is refused: %v\n%s", err, again)
		}
		if !reflect.DeepEqual(p, q) {
			t.Fatalf("%s\nreads as  %+v\nand again %+v", document, p, q)
		}
		if s, err := Compile([]Policy{p}, nil); err == nil {
			s.Evaluate(nil, ann())
			s.Lint(nil, nil, midsummer)
		}
	})
}
