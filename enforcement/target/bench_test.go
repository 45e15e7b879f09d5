// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package target

import "testing"

// measured is what a request costs here, and how many allocations it may take.
var measured = []struct {
	name        string
	allocations float64
	run         func() bool
}{
	{"New", 0, func() bool {
		_, err := New("https", "mail.contoso.example", "/api/v2.0/me/messages")
		return err == nil
	}},
	{"NewWithPort", 0, func() bool {
		_, err := New("https", "mail.contoso.example:8443", "/api/v2.0/me/messages")
		return err == nil
	}},
	{"NewWithDefaultPort", 0, func() bool {
		_, err := New("https", "mail.contoso.example:443", "/api/v2.0/me/messages")
		return err == nil
	}},
	{"NewUpperCaseHost", 1, func() bool {
		_, err := New("https", "MAIL.contoso.example", "/api/v2.0/me/messages")
		return err == nil
	}},
	{"NewEscapedPath", 1, func() bool {
		_, err := New("https", "mail.contoso.example", "/sites/Shared%20Documents/%7Ea")
		return err == nil
	}},
	{"WithPath", 0, func() bool {
		_, err := sampleURL.WithPath("/api/v2.0/me/messages")
		return err == nil
	}},
	{"Matches", 0, func() bool { return sampleURL.Matches("https://mail.contoso.example/api/v2.0/me") }},
	{"MatchesWithQuery", 0, func() bool { return sampleURL.Matches("https://mail.contoso.example/api/v2.0/me?x=1") }},
	{"MatchesWithDefaultPort", 0, func() bool { return sampleURL.Matches("https://mail.contoso.example:443/api/v2.0/me") }},
	{"MatchesNot", 0, func() bool { return !sampleURL.Matches("https://mail.contoso.example/api/v2.0/you") }},
	{"PatternsWithoutAny", 0, func() bool { return !Patterns{}.Match("/api/v2.0/me") }},
	{"PatternsMatch", 1, func() bool { return samplePatterns.Match("/public/css/site.css") }},
}

var (
	sampleURL      = URL{Scheme: "https", Host: "mail.contoso.example", Path: "/api/v2.0/me"}
	samplePatterns = Patterns{prefixes: []string{"/public/"}}
)

func BenchmarkTarget(b *testing.B) {
	for _, m := range measured {
		b.Run(m.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !m.run() {
					b.Fatal("not the expected answer")
				}
			}
		})
	}
}
