// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestScanObjectVisitsMembersInOrder(t *testing.T) {
	const document = " {\"a\" : 1 ,\"\\u0062\":\"x\\n\", \"c\":[1,{\"a\":2}],\r\n\t\"d\":{\"a\":{}}, \"e\":null,\"f\":true,\"\":false} "
	want := []string{`a number 1`, `b string "x\n"`, `c array [1,{"a":2}]`, `d object {"a":{}}`, `e null null`, `f boolean true`,
		` boolean false`}
	var got []string
	err := ScanObject([]byte(document), func(name string, value Value) error {
		got = append(got, fmt.Sprintf("%s %v %s", name, value.Kind, value.Raw))
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}

func TestScanObjectAccepts(t *testing.T) {
	for _, document := range []string{
		`{}`, " \t\r\n{ \t\r\n} \t\r\n", `{"a":[]}`, `{"a":[ ]}`, `{"a":[[],{},[1 , 2]]}`,
		`{"a":-0,"b":0.0,"c":1e400,"d":-1.5E-3,"e":2e+1,"f":12345678901234567890}`,
		`{"a":"\"\\\/\b\f\n\r\t\u0000\uFFFF\ud83d\ude00"}`, `{"ä":"😀 ` + "\x7f" + `"}`,
		`{"a":{"a":{"a":1}},"A":[{"a":1},{"a":1}]}`, // one name in several objects, or in another case, is no duplicate
		`{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
		strings.Repeat(`{"a":`, 32) + "0" + strings.Repeat("}", 32),
	} {
		if err := ScanObject([]byte(document), nil); err != nil {
			t.Errorf("%s: %v", document, err)
		}
	}
}

func TestScanObjectRefuses(t *testing.T) {
	for _, test := range []struct {
		name, document string
		want           error
	}{
		{"nothing", ``, ErrNotObject},
		{"white space only", `  `, ErrNotObject},
		{"an array", `[{}]`, ErrNotObject},
		{"a string", `"{}"`, ErrNotObject},
		{"null", `null`, ErrNotObject},
		{"a second document", `{}{}`, ErrSyntax},
		{"trailing text", `{"a":1} x`, ErrSyntax},
		{"trailing NUL", "{}\x00", ErrSyntax},
		{"form feed as white space", "\f{}", ErrNotObject},
		{"no-break space", "{\u00a0}", ErrSyntax},
		{"an open object", `{"a":1`, ErrSyntax},
		{"an open array", `{"a":[1`, ErrSyntax},
		{"an open string", `{"a":"x`, ErrSyntax},
		{"an open name", `{"a`, ErrSyntax},
		{"a name only", `{"a"}`, ErrSyntax},
		{"a missing value", `{"a":}`, ErrSyntax},
		{"a bare name", `{a:1}`, ErrSyntax},
		{"single quotes", `{'a':1}`, ErrSyntax},
		{"a trailing comma", `{"a":1,}`, ErrSyntax},
		{"a leading comma", `{,"a":1}`, ErrSyntax},
		{"a trailing comma in an array", `{"a":[1,]}`, ErrSyntax},
		{"no comma", `{"a":1 "b":2}`, ErrSyntax},
		{"a comment", `{/**/}`, ErrSyntax},
		{"crossed brackets", `{"a":[}]`, ErrSyntax},
		{"a leading zero", `{"a":01}`, ErrSyntax},
		{"a leading plus", `{"a":+1}`, ErrSyntax},
		{"a minus only", `{"a":-}`, ErrSyntax},
		{"a point at the end", `{"a":1.}`, ErrSyntax},
		{"a point at the beginning", `{"a":.1}`, ErrSyntax},
		{"an empty exponent", `{"a":1e}`, ErrSyntax},
		{"a signed empty exponent", `{"a":1e+}`, ErrSyntax},
		{"hexadecimal", `{"a":0x1}`, ErrSyntax},
		{"NaN", `{"a":NaN}`, ErrSyntax},
		{"Infinity", `{"a":Infinity}`, ErrSyntax},
		{"True", `{"a":True}`, ErrSyntax},
		{"half a literal", `{"a":tru}`, ErrSyntax},
		{"a literal and more", `{"a":nullx}`, ErrSyntax},
		{"an unknown escape", `{"a":"\x41"}`, ErrSyntax},
		{"a short escape", `{"a":"\u12"}`, ErrSyntax},
		{"an escape that is not hexadecimal", `{"a":"\u12g4"}`, ErrSyntax},
		{"a backslash at the end", `{"a":"\`, ErrSyntax},
		{"a control character", "{\"a\":\"\x1f\"}", ErrSyntax},
		{"a line break in a string", "{\"a\":\"\n\"}", ErrSyntax},
		{"a byte order mark", "\xef\xbb\xbf{}", ErrText},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", ErrText},
		{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", ErrText},
		{"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", ErrText},
		{"a lone high surrogate", `{"a":"\ud800"}`, ErrText},
		{"a lone low surrogate", `{"a":"\udc00"}`, ErrText},
		{"two high surrogates", `{"a":"\ud800\ud800"}`, ErrText},
		{"surrogates in the wrong order", `{"a":"\udc00\ud800"}`, ErrText},
		{"a high surrogate before a letter", `{"a":"\ud800x"}`, ErrText},
		{"a lone surrogate in a name", `{"\ud800":1}`, ErrText},
		{"a duplicate", `{"a":1,"b":2,"a":1}`, ErrDuplicate},
		{"an escaped duplicate", `{"a":1,"\u0061":1}`, ErrDuplicate},
		{"an escaped duplicate first", `{"\u0061":1,"a":1}`, ErrDuplicate},
		{"an escaped surrogate pair as duplicate", `{"😀":1,"\ud83d\ude00":1}`, ErrDuplicate},
		{"an empty name as duplicate", `{"":1,"":1}`, ErrDuplicate},
		{"a nested duplicate", `{"a":{"b":{"c":1,"c":1}}}`, ErrDuplicate},
		{"a duplicate in an array", `{"a":[1,{"c":1,"c":1}]}`, ErrDuplicate},
		{"a duplicate after a nested object", `{"a":{"b":1,"c":2},"a":1}`, ErrDuplicate},
		{"too many arrays", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, ErrDepth},
		{"too many objects", strings.Repeat(`{"a":`, 33) + "0" + strings.Repeat("}", 33), ErrDepth},
		{"5000 levels", `{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, ErrDepth},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := ScanObject([]byte(test.document), nil); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// Whatever the number of members, on both sides of where names move into a map, and in objects inside of one another.
func TestRefusesDuplicateMembersInLargeObjects(t *testing.T) {
	for _, size := range []int{1, 2, 15, 63, 64, 65, 66, 129, 1000} {
		var members []string
		for i := range size {
			// The nested objects use the outer names again: they must neither clash with them nor forget them.
			members = append(members, fmt.Sprintf(`"name%d":{"name%d":0,"other":0}`, i, i/2))
		}
		document := "{" + strings.Join(members, ",") + "}"
		if err := ScanObject([]byte(document), nil); err != nil {
			t.Errorf("%d members: %v", size, err)
		}
		for _, again := range []int{0, size / 2, size - 1} {
			document := fmt.Sprintf(`{%s,"name%d":0}`, strings.Join(members, ","), again)
			if err := ScanObject([]byte(document), nil); !errors.Is(err, ErrDuplicate) {
				t.Errorf("%d members, number %d again: %v", size, again, err)
			}
			document = fmt.Sprintf(`{%s,"nested":[{"a":0,"b":0,"a":0}]}`, strings.Join(members, ","))
			if err := ScanObject([]byte(document), nil); !errors.Is(err, ErrDuplicate) {
				t.Errorf("%d members, and a nested duplicate: %v", size, err)
			}
		}
	}
}

func TestScanObjectReturnsTheVisitorsErrorAsItIs(t *testing.T) {
	own := errors.New("enough")
	visits := 0
	err := ScanObject([]byte(`{"a":1,"b":2}`), func(string, Value) error { visits++; return own })
	if err != own || visits != 1 {
		t.Errorf("got %v after %d visits", err, visits)
	}
}

func TestScanObjectValidatesAValueBeforeItIsVisited(t *testing.T) {
	err := ScanObject([]byte(`{"a":{"b":[1,}}`), func(string, Value) error {
		t.Error("visited a broken value")
		return nil
	})
	if !errors.Is(err, ErrSyntax) {
		t.Errorf("got %v", err)
	}
}

func TestValueOfAnObjectIsADocument(t *testing.T) {
	var thumbprint string
	err := ScanObject([]byte(`{"cnf": {"jkt":"abc"}}`), func(_ string, value Value) error {
		return ScanObject(value.Raw, func(_ string, value Value) (err error) {
			thumbprint, err = value.Text()
			return err
		})
	})
	if err != nil || thumbprint != "abc" {
		t.Errorf("got %q, %v", thumbprint, err)
	}
}

// Appending to a value must not overwrite what follows it in the document.
func TestValueCannotGrowIntoTheDocument(t *testing.T) {
	document := []byte(`{"a":1,"b":2}`)
	err := ScanObject(document, func(_ string, value Value) error {
		_ = append(value.Raw, "xxx"...)
		return nil
	})
	if err != nil || string(document) != `{"a":1,"b":2}` {
		t.Errorf("document became %s, %v", document, err)
	}
}

// duplicated finds duplicate members by way of encoding/json's tokens: slow, and independent of the scanner.
func duplicated(document string) bool {
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	type object struct {
		names map[string]bool // nil for an array
		value bool            // the next token is a value, not a name
	}
	var open []*object
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		var inner *object
		if len(open) > 0 {
			inner = open[len(open)-1]
		}
		if name, ok := token.(string); ok && inner != nil && inner.names != nil && !inner.value {
			if inner.names[name] {
				return true
			}
			inner.names[name], inner.value = true, true
			continue
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &object{names: map[string]bool{}})
			continue
		case json.Delim('['):
			open = append(open, &object{})
			continue
		case json.Delim('}'), json.Delim(']'):
			if open = open[:len(open)-1]; len(open) == 0 {
				return false
			}
			inner = open[len(open)-1]
		}
		if inner != nil {
			inner.value = false
		}
	}
}

func FuzzScanObjectAgreesWithEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		benchHeader, benchPayload, `{"a":1,"\u0061":2}`, `{"a":{"b":[1,{"c":null,"c":1}]}}`, `{"a":"\ud83d\ude00\ud800"}`, `[]`, `{}x`,
		`{"a":-1.5e+3,"b":01}`, "{\"\xff\":1}", strings.Repeat(`{"a":[`, 17), `{"😀":1,"\uD83D\uDE00":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var names []string
		err := ScanObject(document, func(name string, value Value) error {
			names = append(names, strings.Clone(name))
			if !json.Valid(value.Raw) {
				t.Errorf("value that is not JSON: %q", value.Raw)
			}
			return nil
		})
		if err == nil {
			var object map[string]json.RawMessage
			if err := json.Unmarshal(document, &object); err != nil {
				t.Fatalf("accepted %q, encoding/json: %v", document, err)
			}
			if len(object) != len(names) {
				t.Errorf("%d members, encoding/json has %d", len(names), len(object))
			}
			for _, name := range names {
				if _, ok := object[name]; !ok {
					t.Errorf("encoding/json has no member %q", name)
				}
			}
			if duplicated(string(document)) {
				t.Errorf("accepted duplicate members in %q", document)
			}
			return
		}
		ours := errors.Is(err, ErrDuplicate) || errors.Is(err, ErrDepth) || errors.Is(err, ErrText) || errors.Is(err, ErrNotObject)
		if json.Valid(document) && !ours {
			t.Errorf("refused valid JSON %q: %v", document, err)
		}
		if errors.Is(err, ErrDuplicate) && json.Valid(document) && !duplicated(string(document)) {
			t.Errorf("found a duplicate in %q", document)
		}
	})
}
