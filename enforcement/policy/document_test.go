// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

var update = flag.Bool("update", false, "write what ReadDocument makes of testdata/document")

// documentCases calls visit with each file of testdata/document: a policies file, a line of dashes, and what becomes of it.
func documentCases(t testing.TB, visit func(path, document, want string)) {
	t.Helper()
	files, err := filepath.Glob("testdata/document/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		document, want, ok := strings.Cut(string(text), "\n----------\n")
		if !ok {
			t.Fatalf("%s has no line of dashes", file)
		}
		visit(file, document, want)
	}
}

// summary writes down what was read.
func summary(d Document, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, p := range d.Policies {
		tidy, err := json.MarshalIndent(p, "", "\t")
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "policy %s\n", tidy)
	}
	for _, s := range d.Skipped {
		fmt.Fprintf(&b, "skipped %s (%s): %s\n", s.DisplayName, s.ID, s.Reason)
	}
	return b.String()
}

func TestDocuments(t *testing.T) {
	documentCases(t, func(path, document, want string) {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			d, err := ReadDocument(strings.NewReader(document))
			got := summary(d, err)
			if *update {
				if err := os.WriteFile(path, []byte(document+"\n----------\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if refused := strings.HasPrefix(name, "refused_"); refused != (err != nil) {
				t.Errorf("got error %v", err)
			}
			if err != nil && !reflect.DeepEqual(d, Document{}) {
				t.Errorf("a refused file gives %+v", d)
			}
			if err := Check(d.Policies); err != nil {
				t.Errorf("what was read is wrong: %v", err)
			}
		})
	})
}

func TestADocumentsEncoding(t *testing.T) {
	const policies = `{"value": []}`
	for name, test := range map[string]struct{ text, want string }{
		"UTF-8 with a mark":  {"\ufeff" + policies, ""},
		"space around it":    {"\r\n\t" + policies + "\n\n", ""},
		"UTF-16, little end": {"\xff\xfe{\x00}\x00", "the file is UTF-16; save it as UTF-8"},
		"UTF-16, big end":    {"\xfe\xff\x00{\x00}", "the file is UTF-16; save it as UTF-8"},
		"Latin-1":            {"[\n{\"displayName\":\n \"\xe4\"}]", "line 3, column 3: a byte that is not UTF-8"},
		"nothing":            {"", "line 1, column 1: unexpected end of JSON input"},
	} {
		_, err := ReadDocument(strings.NewReader(test.text))
		if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestADocumentIsBounded(t *testing.T) {
	element := `{"displayName": "x"},`
	many := "[" + strings.Repeat(element, MaxDocumentPolicies) + strings.TrimSuffix(element, ",") + "]"
	for name, test := range map[string]struct {
		r    io.Reader
		want string
	}{
		"the largest":   {strings.NewReader("[]" + strings.Repeat(" ", MaxDocumentSize-2)), "<nil>"},
		"a larger one":  {strings.NewReader("[]" + strings.Repeat(" ", MaxDocumentSize-1)), "the file is larger than 4194304 bytes"},
		"many policies": {strings.NewReader(many), "the file has 1001 policies; allowed: at most 1000"},
		"a broken disk": {iotest.ErrReader(errors.New("broken disk")), "broken disk"},
	} {
		if _, err := ReadDocument(test.r); fmt.Sprint(err) != test.want {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

// No policy gets lost: each element is read, or skipped, or the whole file is refused. And a skipped one really asks for
// nothing, whatever the spelling.
func FuzzDocument(f *testing.F) {
	documentCases(f, func(_, document, _ string) { f.Add([]byte(document)) })
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ReadDocument(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		var list []json.RawMessage
		var answer struct{ Value []json.RawMessage }
		want := 1
		switch {
		case json.Unmarshal(text, &list) == nil && list != nil:
			want = len(list)
		case json.Unmarshal(text, &answer) == nil && answer.Value != nil:
			want = len(answer.Value)
		}
		if got := len(d.Policies) + len(d.Skipped); got != want {
			t.Fatalf("%d of %d policies were read", got, want)
		}
		for _, p := range d.Policies {
			if err := Check([]Policy{p}); err == nil && !p.SessionControls.SecureSignInSession.IsEnabled {
				t.Fatalf("%+v asks for nothing", p)
			}
		}
		for _, s := range d.Skipped {
			if s.Reason == "" {
				t.Fatal("skipped without a reason")
			}
		}
	})
}
