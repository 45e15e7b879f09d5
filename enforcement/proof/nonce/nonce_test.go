// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package nonce

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

const life = 120 * time.Second

var (
	now    = time.Date(2026, 8, 1, 12, 0, 0, 123_456_789, time.UTC)
	first  = []byte("the first secret of the tests")
	second = []byte("the second secret of the tests")
	third  = []byte("the third secret of the tests")
)

func newSource(t testing.TB, purpose string, current []byte, also ...[]byte) *Source {
	t.Helper()
	s, err := New(purpose, life, current, also...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantUnknown(t *testing.T, s *Source, nonce string) {
	t.Helper()
	if stamp, err := s.Check(nonce, now); !errors.Is(err, ErrUnknown) || stamp != (Stamp{}) {
		t.Errorf("check says %v, %v, want nothing and %v", stamp, err, ErrUnknown)
	}
}

func TestNewRefusesWhatIsUnsafe(t *testing.T) {
	short := first[:minSecret-1]
	tests := map[string]struct {
		purpose string
		life    time.Duration
		current []byte
		also    [][]byte
		want    string
	}{
		"no purpose":          {"", life, first, nil, "purpose is empty"},
		"no life":             {"dpop", 0, first, nil, "life is 0s"},
		"negative life":       {"dpop", -life, first, nil, "must be above 0"},
		"no secret":           {"dpop", life, nil, nil, "secret 1 of 1 has 0 bytes"},
		"short secret":        {"dpop", life, short, nil, "secret 1 of 1 has 15 bytes"},
		"short second secret": {"dpop", life, first, [][]byte{second, short}, "secret 3 of 3 has 15 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(test.purpose, test.life, test.current, test.also...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, want one with %q", err, test.want)
			}
			if strings.Contains(err.Error(), string(short)) {
				t.Error("the error shows the secret")
			}
		})
	}
	if _, err := New("dpop", 1, first[:minSecret]); err != nil {
		t.Errorf("the shortest secret is refused: %v", err)
	}
}

func TestIssuedNonceIsAccepted(t *testing.T) {
	s := newSource(t, "dpop", first)
	stamp, err := s.Check(s.Issue(now), now)
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Truncate(time.Millisecond); !stamp.Issued.Equal(want) || stamp.Scope != 0 {
		t.Errorf("%+v, want one of %s", stamp, want)
	}
}

// A nonce belongs to one memory, and says to which.
func TestNonceNamesItsScope(t *testing.T) {
	s := newSource(t, "dpop", first)
	for _, scope := range []uint64{0, 1, 0x1122334455667788, 1 << 63, math.MaxUint64} {
		nonce := s.IssueFor(scope, now)
		if stamp, err := s.Check(nonce, now); err != nil || stamp.Scope != scope {
			t.Errorf("scope %x: %+v, %v", scope, stamp, err)
		}
		if got := Claimed([]byte(nonce)); got != scope {
			t.Errorf("claimed %x, want %x", got, scope)
		}
	}
	for _, none := range []string{"", "foo", strings.Repeat("\n", Length), strings.Repeat("!", Length), s.IssueFor(7, now) + "A"} {
		if got := Claimed([]byte(none)); got != 0 {
			t.Errorf("%q claims %x", none, got)
		}
	}
}

// RFC 9449, section 8.1: nonce = 1*NQCHAR, %x21 / %x23-5B / %x5D-7E.
func TestNonceIsMadeOfNQCHAR(t *testing.T) {
	s := newSource(t, "dpop", first)
	for i := range 500 {
		nonce := s.Issue(now.Add(time.Duration(i) * 977 * time.Millisecond))
		if len(nonce) != Length {
			t.Fatalf("%d characters, want %d", len(nonce), Length)
		}
		for _, c := range []byte(nonce) {
			if c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
				t.Fatalf("character %q is not NQCHAR", c)
			}
		}
	}
}

// RFC 9449, section 9 and contract: a stale nonce is asked for again.
func TestNonceLivesAsLongAsItShould(t *testing.T) {
	s := newSource(t, "dpop", first)
	at := now.Truncate(time.Millisecond)
	nonce := s.Issue(at)
	tests := map[string]struct {
		age  time.Duration
		want error
	}{
		"new":                        {0, nil},
		"used again":                 {life / 2, nil},
		"at the end":                 {life, nil},
		"after the end":              {life + 1, ErrStale},
		"long after the end":         {1000 * time.Hour, ErrStale},
		"from a clock ahead":         {-skew, nil},
		"from a clock too far ahead": {-skew - 1, ErrStale},
		"from the far future":        {-1000 * time.Hour, ErrStale},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			stamp, err := s.Check(nonce, at.Add(test.age))
			if !errors.Is(err, test.want) {
				t.Errorf("error is %v, want %v", err, test.want)
			}
			if !stamp.Issued.Equal(at) {
				t.Errorf("issued at %s, want %s", stamp.Issued, at)
			}
		})
	}
}

func TestIssuedTimesAreMonotone(t *testing.T) {
	s := newSource(t, "dpop", first)
	var last time.Time
	for i := range 2000 {
		at := now.Add(time.Duration(i) * 333 * time.Microsecond)
		stamp, err := s.Check(s.Issue(at), at)
		issued := stamp.Issued
		switch {
		case err != nil:
			t.Fatal(err)
		case issued.Before(last):
			t.Fatalf("issued at %s after one at %s", issued, last)
		case issued.After(at) || at.Sub(issued) >= time.Millisecond:
			t.Fatalf("issued at %s, want %s to the millisecond below", issued, at)
		}
		last = issued
	}
}

// Nobody without the secret may know the next nonce, even with all the earlier ones.
func TestNoncesOfDifferentInstantsShareNothingButTheirTime(t *testing.T) {
	s := newSource(t, "dpop", first)
	a, _ := decode(s.Issue(now))
	b, _ := decode(s.Issue(now.Add(time.Millisecond)))
	if bytes.Equal(a[codeAt:], b[codeAt:]) {
		t.Error("the codes of two instants are equal")
	}
	other, _ := decode(newSource(t, "dpop", second).Issue(now))
	if bytes.Equal(a[codeAt:], other[codeAt:]) {
		t.Error("the codes of two secrets are equal")
	}
}

func TestTimesOutsideTheLayoutAreHarmless(t *testing.T) {
	s := newSource(t, "dpop", first)
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if _, err := s.Check(s.Issue(at), now); !errors.Is(err, ErrStale) {
			t.Errorf("nonce of %s: %v, want %v", at, err, ErrStale)
		}
	}
}
