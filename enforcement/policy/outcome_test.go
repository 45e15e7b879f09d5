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
	if got := testing.AllocsPerRun(100, func() { s.Evaluate(nil, c) }); got != 1 {
		t.Errorf("got %g allocations, want 1", got)
	}
}

func TestASetSaysWhatItNeedsToKnow(t *testing.T) {
	windows, browsers := platforms([]Platform{Windows}, nil), clientApps(Browser)
	for name, test := range map[string]struct {
		policies            []Policy
		platform, clientApp bool
	}{
		"nothing":                       {nil, false, false},
		"neither":                       {[]Policy{plain()}, false, false},
		"platform":                      {[]Policy{plain(windows)}, true, false},
		"client app, in report-only":    {[]Policy{plain(), plain(named("Second"), state(ReportOnly), browsers)}, false, true},
		"both, elsewhere":               {[]Policy{plain(windows, browsers, applicationsOf(Applications{IncludeApplications: []string{"sharepoint"}}))}, true, true},
		"both, in a policy that is off": {[]Policy{plain(windows, browsers, state(Off))}, false, false},
	} {
		s := mustCompile(t, test.policies...)
		if s.NeedsPlatform() != test.platform || s.NeedsClientApp() != test.clientApp {
			t.Errorf("%s: platform %t, client app %t; want %t, %t", name, s.NeedsPlatform(), s.NeedsClientApp(), test.platform, test.clientApp)
		}
	}
}
