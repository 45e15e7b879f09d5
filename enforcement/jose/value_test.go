// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// member returns the value of the member v of a document.
func member(t *testing.T, value string) Value {
	t.Helper()
	var found Value
	err := ScanObject([]byte(`{"v":`+value+`}`), func(_ string, value Value) error {
		found = value
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTextUnescapes(t *testing.T) {
	for raw, want := range map[string]string{
		`""`: "", `"abc"`: "abc", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"a\u00e4b\uD83D\ude00c"`: "aäb😀c", `"\u0000"`: "\x00",
		`"\ufffd"`: "\ufffd",
	} {
		if got, err := member(t, raw).Text(); err != nil || got != want {
			t.Errorf("%s: got %q, %v", raw, got, err)
		}
	}
}

func TestIntegerTakesIntegersOnly(t *testing.T) {
	for raw, want := range map[string]int64{
		"0": 0, "-0": 0, "7": 7, "-7": -7, "1562265296": 1562265296,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		if got, err := member(t, raw).Integer(); err != nil || got != want {
			t.Errorf("%s: got %d, %v", raw, got, err)
		}
	}
	for _, raw := range []string{
		"1.0", "1.5", "1e3", "1e400", "-1E0", `"1"`, "true", "null", "[]", "{}", "9223372036854775808", "-9223372036854775809",
		"18446744073709551617", "99999999999999999999999999",
	} {
		if got, err := member(t, raw).Integer(); !errors.Is(err, ErrType) {
			t.Errorf("%s: got %d, %v", raw, got, err)
		}
	}
}

func TestStringsTakesArraysOfStringsOnly(t *testing.T) {
	got, err := member(t, `["a", "\u0062" ,""]`).Strings()
	if err != nil || !slices.Equal(got, []string{"a", "b", ""}) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := member(t, `[]`).Strings(); err != nil || len(got) != 0 {
		t.Errorf("empty array: got %q, %v", got, err)
	}
	for _, raw := range []string{`"a"`, `["a",1]`, `[null]`, `[["a"]]`, `{"0":"a"}`, `null`} {
		if got, err := member(t, raw).Strings(); !errors.Is(err, ErrType) || got != nil {
			t.Errorf("%s: got %q, %v", raw, got, err)
		}
	}
}

func TestBoolTakesBooleansOnly(t *testing.T) {
	for raw, want := range map[string]bool{"true": true, "false": false} {
		if got, err := member(t, raw).Bool(); err != nil || got != want {
			t.Errorf("%s: got %v, %v", raw, got, err)
		}
	}
	for _, raw := range []string{`"true"`, "1", "null", "[true]"} {
		if _, err := member(t, raw).Bool(); !errors.Is(err, ErrType) {
			t.Errorf("%s: got %v", raw, err)
		}
	}
}

func TestTextRefusesOtherKinds(t *testing.T) {
	for _, raw := range []string{"1", "null", "true", `["a"]`, `{"a":"b"}`} {
		if text, err := member(t, raw).Text(); !errors.Is(err, ErrType) || text != "" {
			t.Errorf("%s: got %q, %v", raw, text, err)
		}
	}
}

func TestElementsStopAtTheVisitorsError(t *testing.T) {
	own := errors.New("enough")
	visits := 0
	err := member(t, `[1,2,3]`).Elements(func(Value) error {
		if visits++; visits == 2 {
			return own
		}
		return nil
	})
	if err != own || visits != 2 {
		t.Errorf("got %v after %d visits", err, visits)
	}
}

// A Value that no scan has made has an error for every question, and panics at none.
func TestValueNotFromAScanIsHarmless(t *testing.T) {
	for _, kind := range []Kind{Null, Bool, Number, String, Object, Array, 77} {
		for _, raw := range []string{"", `"`, "[", "-", `"\x"`, `"\ud800"`} {
			value := Value{Kind: kind, Raw: []byte(raw)}
			if text, err := value.Text(); err == nil {
				t.Errorf("%v %q is the text %q", kind, raw, text)
			}
			if all, err := value.Strings(); err == nil {
				t.Errorf("%v %q are the strings %q", kind, raw, all)
			}
			if n, err := value.Integer(); err == nil {
				t.Errorf("%v %q is the integer %d", kind, raw, n)
			}
		}
	}
	if got := Kind(77).String(); got != "unknown" {
		t.Errorf("unknown kind is called %q", got)
	}
}
