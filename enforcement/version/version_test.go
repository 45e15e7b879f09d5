// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package version

import (
	"cmp"
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Version{
		"10.0.22631.4037":       {10, 0, 22631, 4037},
		"1.6.00.1331":           {1, 6, 0, 1331},
		"22.217":                {22, 217},
		"10":                    {10},
		"0":                     {},
		"0000000001.0.0.0":      {1},
		"4294967295.4294967295": {4294967295, 4294967295},
		"2.117.841.0":           {2, 117, 841},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseRefusesWhatIsNoVersion(t *testing.T) {
	for _, text := range []string{
		"", ".", "1.", ".1", "1..2", "1.2.3.4.5", "1.2.3.4.", "v1", "1.2-beta", "+1", "-1", "1_0", "0x1", " 1", "1 ", "1.2\n", "1,2", "١",
		"4294967296", "00000000001", strings.Repeat("1", 1000),
	} {
		v, err := Parse(text)
		if wrong := new(SyntaxError); !errors.As(err, &wrong) || wrong.Text != text || v != (Version{}) {
			t.Errorf("%q: got %v, %v", text, v, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
}

// Each is lower than the next.
func TestCompare(t *testing.T) {
	ordered := []string{"0", "0.0.0.1", "1", "1.6.00.1330", "1.6.00.1331", "1.6.1", "1.10", "2.117.841.0", "10.0.9999.99999", "10.0.22631.4037", "22.217"}
	for i, low := range ordered {
		for j, high := range ordered {
			a, _ := Parse(low)
			b, _ := Parse(high)
			if got, want := a.Compare(b), cmp.Compare(i, j); got != want {
				t.Errorf("%s and %s: got %d, want %d", low, high, got, want)
			}
		}
	}
	a, _ := Parse("1.6.00.1331")
	if b, _ := Parse("1.06.0.01331"); a.Compare(b) != 0 || a.String() != "1.6.0.1331" {
		t.Errorf("zeros count: %s, %s", a, b)
	}
}

// Versions compare as their numbers do, and are read as they are written.
func FuzzCompare(f *testing.F) {
	f.Add("1.6.00.1331", "1.6.0.1331")
	f.Add("10.0.19045", "10.0.22631.4037")
	f.Add("4294967295", "4294967296")
	f.Fuzz(func(t *testing.T, one, other string) {
		a, err := Parse(one)
		b, failed := Parse(other)
		if err != nil || failed != nil {
			return
		}
		if again, err := Parse(a.String()); err != nil || again != a {
			t.Fatalf("%s is written %s and read %s, %v", one, a, again, err)
		}
		want := 0
		numbers, others := strings.Split(one+".0.0.0", "."), strings.Split(other+".0.0.0", ".")
		for i := 0; i < 4 && want == 0; i++ {
			n, _ := new(big.Int).SetString(numbers[i], 10)
			m, _ := new(big.Int).SetString(others[i], 10)
			want = n.Cmp(m)
		}
		if got := a.Compare(b); got != want || b.Compare(a) != -want {
			t.Fatalf("%s and %s: got %d and %d, want %d", one, other, got, b.Compare(a), want)
		}
	})
}
