// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"
	"unsafe"
)

func TestResultsAreNamedAsInEntrasLog(t *testing.T) {
	want := []string{
		"", "success", "failure", "notApplied", "notEnabled", "reportOnlySuccess", "reportOnlyFailure", "reportOnlyNotApplied", "",
	}
	if len(want) != Results+2 {
		t.Fatalf("%d results, %d names", Results, len(want)-2)
	}
	for r, name := range want {
		if got := Result(r).String(); got != name {
			t.Errorf("%d: got %q, want %q", r, got, name)
		}
	}
}

// A request carries one outcome for every policy: design, section 10, "allocates little".
func TestAnOutcomeIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Outcome{}); size > 24 {
		t.Errorf("an outcome takes %d bytes, at most 24 wanted", size)
	}
}

func TestRoomForOutcomesIsMadeAtOnce(t *testing.T) {
	s, c := benchmarkSet(t, 100), ann()
	// The race detector adds one; growing step by step would take eight.
	if got := testing.AllocsPerRun(100, func() { s.Evaluate(nil, c) }); got > 2 {
		t.Errorf("got %g allocations, want 1", got)
	}
}

func TestASetSaysWhatItNeedsToKnow(t *testing.T) {
	windows, browsers := platforms([]Platform{Windows}, nil), clientApps(Browser)
	here, filtered := locations([]string{"Office"}, nil), deviceFilter("include", `model -eq "x"`)
	type needs struct{ platform, clientApp, address, device bool }
	for name, test := range map[string]struct {
		policies []Policy
		want     needs
	}{
		"nothing":                      {nil, needs{}},
		"neither":                      {[]Policy{plain()}, needs{}},
		"platform":                     {[]Policy{plain(windows)}, needs{platform: true}},
		"client app, in report-only":   {[]Policy{plain(), plain(named("Second"), state(ReportOnly), browsers)}, needs{clientApp: true}},
		"both, elsewhere":              {[]Policy{plain(windows, browsers, applicationsOf(Applications{IncludeApplications: []string{"sharepoint"}}))}, needs{platform: true, clientApp: true}},
		"address":                      {[]Policy{plain(here)}, needs{address: true}},
		"device":                       {[]Policy{plain(filtered)}, needs{device: true}},
		"all, in a policy that is off": {[]Policy{plain(windows, browsers, here, filtered, state(Off))}, needs{}},
	} {
		s := mustCompile(t, test.policies...)
		if got := (needs{s.NeedsPlatform(), s.NeedsClientApp(), s.NeedsAddress(), s.NeedsDevice()}); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}
