// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package nonce

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestEveryFlippedBitIsRefused(t *testing.T) {
	s := newSource(t, "dpop", first, second)
	raw, _ := decode(s.Issue(now))
	for bit := range size * 8 {
		forged := raw
		forged[bit/8] ^= 1 << (bit % 8)
		wantUnknown(t, s, encoding.EncodeToString(forged[:]))
	}
}

func TestOnlyOneSpellingIsAccepted(t *testing.T) {
	s := newSource(t, "dpop", first)
	nonce := s.Issue(now)
	tests := map[string]string{
		"empty":                   "",
		"never issued":            "foo",
		"right length":            strings.Repeat("A", Length),
		"cut off":                 nonce[:Length-1],
		"one more character":      nonce + "A",
		"padded":                  nonce + "=",
		"twice":                   nonce + nonce,
		"huge":                    strings.Repeat(nonce, 10_000),
		"line break at the end":   nonce + "\n",
		"line break for the last": nonce[:Length-1] + "\n",
		"line breaks inside":      nonce[:Length-4] + "\r\n\r\n",
		"padding for the last":    nonce[:Length-1] + "=",
		"standard alphabet":       "+/" + nonce[2:],
		"space":                   " " + nonce[1:],
		"not ASCII":               "é" + nonce[2:],
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) { wantUnknown(t, s, text) })
	}
}

// A genuine code of another format version is still another format.
func TestOtherVersionsAreRefused(t *testing.T) {
	s := newSource(t, "dpop", first)
	for _, other := range []byte{0, 1, 255} {
		raw, _ := decode(s.Issue(now))
		raw[0] = other
		code := s.keys[0].code(raw[:codeAt])
		copy(raw[codeAt:], code[:])
		wantUnknown(t, s, encoding.EncodeToString(raw[:]))
	}
}

// RFC 9449, section 8: nonces of one server, or of another protocol, are not accepted at the other.
func TestPurposesAreSeparate(t *testing.T) {
	purposes := []string{"dpop", "pop", "dbsc", "dpop/v1", "dpo"}
	for _, issuing := range purposes {
		nonce := newSource(t, issuing, first).Issue(now)
		for _, checking := range purposes {
			s := newSource(t, checking, first)
			if issuing != checking {
				wantUnknown(t, s, nonce)
			} else if _, err := s.Check(nonce, now); err != nil {
				t.Errorf("%s: %v", issuing, err)
			}
		}
	}
}

func TestOtherSecretsAreUnknown(t *testing.T) {
	wantUnknown(t, newSource(t, "dpop", first, second), newSource(t, "dpop", third).Issue(now))
}

// Two secrets may have the same key id by chance; both must go on working.
func TestSecretsWithTheSameKeyIDAreBothTried(t *testing.T) {
	s := newSource(t, "dpop", first, second)
	for _, key := range s.keys {
		key.id = 7
	}
	nonce := s.Issue(now)
	s.keys[0], s.keys[1] = s.keys[1], s.keys[0]
	if _, err := s.Check(nonce, now); err != nil {
		t.Error(err)
	}
}

// The layout and the derivation are what nodes of different releases must agree on.
func TestCodeIsHMACOfTheDocumentedLayout(t *testing.T) {
	raw, ok := decode(newSource(t, "dpop", first).IssueFor(0x1122334455667788, time.UnixMilli(0x0102030405)))
	if !ok {
		t.Fatal("the nonce does not decode")
	}
	material, err := hkdf.Key(sha256.New, first, nil, "token-protection/dpop/v1", 33)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{2, 0, 1, 2, 3, 4, 5, material[32], 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88}
	mac := hmac.New(sha256.New, material[:32])
	mac.Write(want)
	want = append(want, mac.Sum(nil)[:16]...)
	if string(raw[:]) != string(want) {
		t.Errorf("nonce is %x, want %x", raw, want)
	}
}

func FuzzCheckNeverAcceptsWhatWasNotIssued(f *testing.F) {
	s := newSource(f, "dpop", first, second)
	issued := newSource(f, "dpop", first).Issue(now)
	f.Add(issued)
	f.Add(newSource(f, "dpop", first).IssueFor(1<<63|12345, now))
	f.Add(newSource(f, "dpop", second).Issue(now))
	f.Add(newSource(f, "dpop", third).Issue(now))
	f.Add(newSource(f, "pop", first).Issue(now))
	f.Add(issued[:Length-1] + "\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, nonce string) {
		stamp, err := s.Check(nonce, now)
		if errors.Is(err, ErrUnknown) {
			return
		}
		// Whatever is known as ours, fresh or stale, is exactly what one of the secrets issues for that time.
		if nonce != newSource(t, "dpop", first).IssueFor(stamp.Scope, stamp.Issued) && nonce != newSource(t, "dpop", second).IssueFor(stamp.Scope, stamp.Issued) {
			t.Errorf("%q is accepted with %v, and was never issued", nonce, err)
		}
	})
}
