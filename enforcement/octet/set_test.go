// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package octet

import (
	"strings"
	"testing"
)

var vowels = SetOf("aeiou")

// An octet outside is found wherever it stands, whatever the length of the text.
func TestHasAllFindsWhatIsOutside(t *testing.T) {
	for length := range 40 {
		text := strings.Repeat("aeiou", 8)[:length]
		if !vowels.HasAll(text) {
			t.Errorf("%q: not in the set", text)
		}
		for place := range length {
			for _, outside := range []string{"b", "\x00", "\xff", "A"} {
				if spoilt := text[:place] + outside + text[place+1:]; vowels.HasAll(spoilt) {
					t.Errorf("%q: in the set", spoilt)
				}
			}
		}
	}
}

func TestHasIsHasAllOfOne(t *testing.T) {
	for c := range 256 {
		if want := strings.IndexByte("aeiou", byte(c)) >= 0; vowels.Has(byte(c)) != want || vowels.HasAll(string([]byte{byte(c)})) != want {
			t.Errorf("octet %d: expected %v", c, want)
		}
	}
}

func FuzzHasAllIsHasOfEach(f *testing.F) {
	f.Add("aeiouaeiou")
	f.Add("aeiouaeb")
	f.Fuzz(func(t *testing.T, text string) {
		want := true
		for i := range len(text) {
			want = want && vowels.Has(text[i])
		}
		if vowels.HasAll(text) != want {
			t.Errorf("%q: expected %v", text, want)
		}
	})
}

func BenchmarkHasAll(b *testing.B) {
	text := strings.Repeat("aeiou", 244) // as long as an access token
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if !vowels.HasAll(text) {
			b.Fatal("not in the set")
		}
	}
}
