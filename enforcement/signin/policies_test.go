// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPolicyRowsHaveTheControlsOfTheirResult(t *testing.T) {
	const none, one = `[]`, `["SignInTokenProtection"]`
	for _, test := range []struct{ result, enforced, notSatisfied string }{
		{PolicySuccess, one, none},
		{PolicyFailure, one, one},
		{PolicyReportOnlySuccess, one, none},
		{PolicyReportOnlyFailure, one, one},
		{PolicyNotApplied, none, none},
		{PolicyReportOnlyNotApplied, none, none},
		{PolicyNotEnabled, none, none},
	} {
		got := Policies([]PolicyResult{{"i", "n", test.result, "application,users", "none"}})
		want := `[{"id":"i","displayName":"n","result":"` + test.result + `","enforcedGrantControls":[],"enforcedSessionControls":` +
			test.enforced + `,"sessionControlsNotSatisfied":` + test.notSatisfied +
			`,"conditionsSatisfied":"application,users","conditionsNotSatisfied":"none"}]`
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.result, got, want)
		}
	}
}

func TestPoliciesAreAnArrayOfAnyLength(t *testing.T) {
	for n := range 3 {
		var rows []json.RawMessage
		text := Policies(make([]PolicyResult, n))
		if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) != n {
			t.Errorf("%d policies: %s: %v", n, text, err)
		}
	}
	if got := Policies(nil); got != "[]" {
		t.Errorf("no policies: %s", got)
	}
}

func TestEscapesWhatJSONRequiresAndNothingElse(t *testing.T) {
	for in, want := range map[string]string{
		``:                 `""`,
		`<a href="x">&'/`:  `"<a href=\"x\">&'/"`,
		`a\b`:              `"a\\b"`,
		"a\nb\rc\td":       `"a\nb\rc\td"`,
		"\x00\x1b[31m\x1f": `"\u0000\u001b[31m\u001f"`,
		"\x7f":             "\"\x7f\"",
		"é€😀\u2028":        "\"é€😀\u2028\"",
		"a\xffb\xc3":       "\"a\uFFFDb\uFFFD\"",
		"\xed\xa0\x80":     "\"\uFFFD\uFFFD\uFFFD\"", // a surrogate in UTF-8
		"\uFFFD":           "\"\uFFFD\"",
	} {
		if got := string(appendString(nil, in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func FuzzStringsDecodeToWhatEncodingJSONMakesOfThem(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\x00\n", "\xff\xc3é", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		reference, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got, want string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if err := json.Unmarshal(reference, &want); err != nil || got != want {
			t.Errorf("%q: got %q, want %q (%v)", s, got, want, err)
		}
	})
}

func TestLongPolicyNamesAreCut(t *testing.T) {
	var rows []struct{ DisplayName string }
	text := Policies([]PolicyResult{{DisplayName: strings.Repeat("é", MaxName)}})
	if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) != 1 || len(rows[0].DisplayName) != MaxName {
		t.Errorf("%s: %v", text, err)
	}
}

func TestSignatureTellsResultsApart(t *testing.T) {
	base := []PolicyResult{{"a", "A", PolicySuccess, "users", "none"}, {"b", "B", PolicyFailure, "users", "none"}}
	if Signature(base) != Signature([]PolicyResult{base[0], base[1]}) {
		t.Error("equal results, different signatures")
	}
	seen := map[uint64]string{Signature(base): "base", Signature(nil): "nil"}
	for name, change := range map[string]func([]PolicyResult){
		"id":             func(p []PolicyResult) { p[0].ID = "c" },
		"result":         func(p []PolicyResult) { p[1].Result = PolicySuccess },
		"satisfied":      func(p []PolicyResult) { p[0].ConditionsSatisfied = "application" },
		"not satisfied":  func(p []PolicyResult) { p[0].ConditionsNotSatisfied = "users" },
		"moved boundary": func(p []PolicyResult) { p[0].ID, p[0].Result = "as", "uccess" },
	} {
		changed := []PolicyResult{base[0], base[1]}
		change(changed)
		if other, ok := seen[Signature(changed)]; ok {
			t.Errorf("%s: the signature of %s", name, other)
		}
		seen[Signature(changed)] = name
	}
}

func TestSignatureAllocatesNothing(t *testing.T) {
	results := []PolicyResult{{"a", "A", PolicySuccess, "users", "none"}, {"b", "B", PolicyFailure, "users", "none"}}
	if n := testing.AllocsPerRun(100, func() { Signature(results) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestClipCutsBetweenCharacters(t *testing.T) {
	for _, test := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abc", 2, "ab"},
		{"abc", 0, ""},
		{"abc", -1, ""},
		{"aé", 2, "a"},
		{"a😀", 4, "a"},
		{"a😀", 5, "a😀"},
		{"a\xffb", 5, "a\uFFFDb"},
		{"a\xffb", 3, "a"},
		{"\x80\x80\x80\x80\x80\x80", 5, "\uFFFD"},
	} {
		if got := Clip(test.in, test.limit); got != test.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", test.in, test.limit, got, test.want)
		}
	}
}

func FuzzClipIsShortAndValid(f *testing.F) {
	f.Add("plain", 3)
	f.Add("\xff\x80é😀", 4)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		got := Clip(s, limit)
		if len(got) > max(limit, 0) || !utf8.ValidString(got) {
			t.Errorf("Clip(%q, %d) = %q", s, limit, got)
		}
		if again := Clip(got, limit); again != got {
			t.Errorf("Clip is not stable: %q, then %q", got, again)
		}
		if utf8.ValidString(s) && !strings.HasPrefix(s, got) {
			t.Errorf("Clip(%q, %d) = %q is not its start", s, limit, got)
		}
	})
}
