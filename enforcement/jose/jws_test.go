// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"errors"
	"strings"
	"testing"
)

func TestSplitTakesTheTokenApart(t *testing.T) {
	got, err := Split("aa.b-_.c", 8)
	want := Compact{Header: "aa", Payload: "b-_", Signature: "c", SigningInput: "aa.b-_"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, test := range []struct{ name, token, says string }{
		{"an empty token", "", "1 parts"},
		{"one part", "abc", "1 parts"},
		{"two parts", "abc.def", "2 parts"},
		{"four parts", "a.b.c.d", "4 parts"},
		{"an encrypted token", "a.b.c.d.e", "JWE"},
		{"an encrypted token with an empty key", "a..c.d.e", "JWE"},
		{"six parts", "a.b.c.d.e.f", "6 parts"},
		{"a thousand periods", strings.Repeat(".", 1000), "1001 parts"},
		{"no header", ".b.c", "empty part"},
		{"no payload", "a..c", "empty part"},
		{"no signature", "a.b.", "empty part"},
		{"periods only", "..", "empty part"},
		{"padding", "YQ==.b.c", "alphabet"},
		{"plain base64", "a+/.b.c", "alphabet"},
		{"a space at the end", "a.b.c ", "alphabet"},
		{"a line break at the end", "a.b.c\n", "alphabet"},
		{"a line break inside", "a.b\r\n.c", "alphabet"},
		{"NUL", "a.b.c\x00", "alphabet"},
		{"a comma, as if two header lines were joined", "a.b.c,c", "alphabet"},
		{"not ASCII", "a.b.ç", "alphabet"},
		{"JSON serialization", `{"payload":"Zm9v.","signature":"."}`, "alphabet"},
		{"a token longer than the limit", "a.b." + strings.Repeat("c", 1000), "1004 octets, expected at most 1000"},
		{"junk longer than the limit", strings.Repeat(".", 1001), "at most 1000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Split(test.token, 1000)
			if !errors.Is(err, ErrCompact) || got != (Compact{}) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %+v, %v, want an error that says %q", got, err, test.says)
			}
		})
	}
}

func TestSplitCostsNoMemoryPerPeriod(t *testing.T) {
	token := strings.Repeat(".", 100_000)
	if got := testing.AllocsPerRun(10, func() { _, _ = Split(token, len(token)) }); got > 10 {
		t.Errorf("%v allocations", got)
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"a.b.c", "a..c", "a.b.c.d.e", "...", "a.b.c\n", ""} {
		f.Add(seed, 20)
	}
	f.Fuzz(func(t *testing.T, token string, limit int) {
		got, err := Split(token, limit)
		if err != nil {
			if !errors.Is(err, ErrCompact) || got != (Compact{}) {
				t.Errorf("got %+v with %v", got, err)
			}
			return
		}
		if len(token) > limit {
			t.Errorf("%d octets accepted, the limit was %d", len(token), limit)
		}
		if got.Header+"."+got.Payload+"."+got.Signature != token || got.SigningInput+"."+got.Signature != token {
			t.Errorf("%q taken apart as %+v", token, got)
		}
		for _, part := range []string{got.Header, got.Payload, got.Signature} {
			if part == "" || strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Errorf("accepted the part %q", part)
			}
		}
	})
}
