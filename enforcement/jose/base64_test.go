// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package jose

import (
	"bytes"
	"errors"
	"testing"
)

func TestDecodeRefusesEverySpellingButOne(t *testing.T) {
	for _, test := range []struct{ name, segment string }{
		{"padding", "Zm8="},
		{"double padding", "Zg=="},
		{"stray bits after one octet", "Zh"},
		{"stray bits after two octets", "Zm9"},
		{"a single character", "Z"},
		{"five characters", "Zm9vZ"},
		{"the alphabet of plain base64, plus", "Zm+v"},
		{"the alphabet of plain base64, slash", "Zm/v"},
		{"a space", "Zm 9v"},
		{"a line feed", "Zm9v\n"},
		{"a line feed inside", "Zm\n9v"},
		{"a carriage return", "Zm9v\r"},
		{"NUL", "Zm9v\x00"},
		{"a period", "Zm.v"},
		{"not ASCII", "Zm9ä"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := Decode(test.segment); !errors.Is(err, ErrBase64) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// RFC 4648, section 10, and RFC 7515, appendix C.
func TestDecodeReadsThePublishedExamples(t *testing.T) {
	for segment, want := range map[string]string{
		"": "", "Zg": "f", "Zm8": "fo", "Zm9v": "foo", "Zm9vYg": "foob", "Zm9vYmE": "fooba", "Zm9vYmFy": "foobar",
		"A-z_4ME": "\x03\xec\xff\xe0\xc1",
	} {
		if got, err := Decode(segment); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v", segment, got, err)
		}
	}
}

func TestAppendDecodeAppends(t *testing.T) {
	dst := append(make([]byte, 0, 16), "ab"...)
	got, err := AppendDecode(dst, "Zm9v")
	if err != nil || string(got) != "abfoo" || &got[0] != &dst[0] {
		t.Errorf("got %q in other memory or %v", got, err)
	}
	if got, err := AppendDecode([]byte("ab"), "Zm9"); err == nil || string(got) != "ab" {
		t.Errorf("with an error got %q, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "Zg", "Zh", "Zm8", "Zm9v\n", "A-z_4ME", "====", "Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		decoded, err := Decode(segment)
		if err != nil {
			if !errors.Is(err, ErrBase64) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		if again := encoding.EncodeToString(decoded); again != segment {
			t.Errorf("%q decodes to what encodes to %q", segment, again)
		}
		appended, err := AppendDecode([]byte("x"), segment)
		if err != nil || !bytes.Equal(appended[1:], decoded) {
			t.Errorf("AppendDecode differs from Decode: %q, %v", appended, err)
		}
	})
}
