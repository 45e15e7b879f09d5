// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/tokenprotection/caddy-token-protection/enforcement/device"
)

// benchmarkSet returns n enforced policies of the usual form: two resources, one platform, one client app, pilot groups
// and a break-glass group.
func benchmarkSet(tb testing.TB, n int) *Set {
	var policies []Policy
	for i := range n {
		policies = append(policies, plain(
			named(fmt.Sprintf("Policy %d", i)),
			users(Users{IncludeGroups: []string{fmt.Sprintf("pilot-%d", i%10)}, ExcludeGroups: []string{"break-glass"}}),
			applicationsOf(Applications{IncludeApplications: []string{"exchange", "sharepoint"}}),
			platforms([]Platform{Windows}, nil),
			clientApps(MobileAppsAndDesktopClients),
			locations([]string{"All"}, []string{"Lab"}),
			deviceFilter("exclude", `device.systemLabels -contains "CloudPC"`),
		))
	}
	return mustCompile(tb, policies...)
}

func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("policies=%d", n), func(b *testing.B) {
			s, c := benchmarkSet(b, n), ann()
			dst := make([]Outcome, 0, n)
			b.ReportAllocs()
			for b.Loop() {
				dst = s.Evaluate(dst[:0], c)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/policy")
		})
	}
	b.Run("plain", func(b *testing.B) {
		s, c := mustCompile(b, plain()), ann()
		dst := make([]Outcome, 0, 1)
		b.ReportAllocs()
		for b.Loop() {
			dst = s.Evaluate(dst[:0], c)
		}
	})
}

func BenchmarkUserAgent(b *testing.B) {
	const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
	b.ReportAllocs()
	for b.Loop() {
		if PlatformOf(agent) != Windows || ClientAppOf(agent, "/owa/") != Browser {
			b.Fatal("misread")
		}
	}
}

// Design, section 10: what a request costs beyond its signature is little, and no garbage.
func TestARequestAllocatesNothing(t *testing.T) {
	for _, n := range []int{1, 100} {
		s, c := benchmarkSet(t, n), ann()
		c.Address, c.DeviceKnown, c.Device = netip.MustParseAddr("192.0.2.1"), true, &device.Device{SystemLabels: []string{"M365Managed"}}
		c.Groups = nil
		for i := range 200 {
			c.Groups = append(c.Groups, fmt.Sprintf("group-%d", i))
		}
		dst := make([]Outcome, 0, n)
		for name, call := range map[string]func(){
			"Evaluate":             func() { dst = s.Evaluate(dst[:0], c) },
			"BoundTokenNeedsProof": func() { s.BoundTokenNeedsProof(c) },
			"Excluded":             func() { s.Excluded(c) },
			"Targets":              func() { s.Targets("exchange") },
			"user agent":           func() { PlatformOf("Outlook-Android/4.2423.1"); ClientAppOf("curl/8.8.0", "/owa/") },
			"Conditions.String":    func() { _ = (ConditionUsers | ConditionApplication).String() },
		} {
			if got := testing.AllocsPerRun(100, call); got != 0 {
				t.Errorf("%s with %d policies allocates %g times", name, n, got)
			}
		}
	}
}
