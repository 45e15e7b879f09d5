// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
)

func TestScenariosAskForServersThatThereAre(t *testing.T) {
	var servers []string
	for _, spec := range specs("/folder", "redis://127.0.0.1:6379/0") {
		servers = append(servers, spec.name)
	}
	seen := map[string]bool{}
	for _, s := range scenarios() {
		if seen[s.Name] {
			t.Errorf("%s: there are two", s.Name)
		}
		seen[s.Name] = true
		for _, side := range s.Sides {
			if !slices.Contains(servers, side.Server) {
				t.Errorf("%s: there is no server %q", s.Name, side.Server)
			}
		}
		if s.Connections >= 32 {
			t.Errorf("%s: %d connections are more than Caddy keeps to a backend", s.Name, s.Connections)
		}
	}
}

func TestSameServerTwiceRunsAlongAlways(t *testing.T) {
	for _, quick := range []bool{false, true} {
		for _, only := range []string{"", "TLS", "no such scenario"} {
			chosen := choice{quick: quick, only: only}.scenarios()
			if !slices.ContainsFunc(chosen, func(s Scenario) bool { return s.Name == sameServerTwice }) {
				t.Errorf("quick %v, only %q: it is missing", quick, only)
			}
			for _, s := range chosen {
				if s.Name != sameServerTwice && (quick && !s.Quick || !strings.Contains(s.Name, only)) {
					t.Errorf("quick %v, only %q: chose %s", quick, only, s.Name)
				}
			}
		}
	}
}

func TestLongScenariosAndRedisRunOnlyWhenAskedFor(t *testing.T) {
	runs := func(c choice, server string) bool {
		return slices.ContainsFunc(c.scenarios(), func(s Scenario) bool { return s.runs(server) })
	}
	for _, test := range []struct {
		choice          choice
		millions, redis bool
	}{
		{choice{}, false, false}, {choice{long: true}, true, false}, {choice{redis: true}, false, true}, {choice{quick: true, long: true, redis: true}, false, false},
	} {
		if runs(test.choice, millions) != test.millions || runs(test.choice, redisSet) != test.redis {
			t.Errorf("%+v: 4,000,000 entries %v, Redis %v", test.choice, runs(test.choice, millions), runs(test.choice, redisSet))
		}
	}
}

func TestWarmingUpMeetsEveryDeviceThatWasNotMetBefore(t *testing.T) {
	for work, want := range map[work]int{fresh: hotDevices, ofCrowd: crowdDevices, ofHost: hotDevices} {
		if got := (Scenario{Sides: []Side{{enforce, fresh}, {enforce, work}}}).devices(); got != want {
			t.Errorf("%s: %d devices; expected %d", work, got, want)
		}
	}
}

func TestConfigurationsDifferInWhatIsCompared(t *testing.T) {
	at := &server{plain: "127.0.0.1:1001", tls: "127.0.0.1:1002", admin: "127.0.0.1:1003"}
	for _, spec := range specs("/folder", "redis://127.0.0.1:6379/0") {
		text := spec.caddyfile(at, "/folder", "/own", "127.0.0.1:1004")
		for _, part := range []string{"http://:1001", "https://:1002", "admin 127.0.0.1:1003", "reverse_proxy 127.0.0.1:1004"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q is missing", spec.name, part)
			}
		}
		if got := strings.Count(text, "policy \""); got != spec.policies {
			t.Errorf("%s: %d policies; expected %d", spec.name, got, spec.policies)
		}
		if got := strings.Contains(text, "token_protection exchange"); got != spec.module {
			t.Errorf("%s: the module is there: %v", spec.name, got)
		}
		if got := strings.Contains(text, "client_auth"); got != (spec.name == limitMTLS || spec.name == bearer) {
			t.Errorf("%s: a client certificate is asked for: %v", spec.name, got)
		}
		if got := strings.Contains(text, "replay redis redis://"); got != (spec.name == redisSet) {
			t.Errorf("%s: the replay set is in Redis: %v", spec.name, got)
		}
		if strings.Count(text, "{") != strings.Count(text, "}") {
			t.Errorf("%s: the braces do not match", spec.name)
		}
	}
}
