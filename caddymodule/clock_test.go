// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"strings"
	"testing"
	"time"
)

func TestAClockFromBeforeTheBuildIsRefused(t *testing.T) {
	built := builtAt()
	for name, c := range map[string]struct {
		now     time.Time
		refused bool
	}{
		"now":                {time.Now(), false},
		"when it was built":  {built, false},
		"the committer's":    {built.Add(-clockSlack), false},
		"before it":          {built.Add(-clockSlack - time.Second), true},
		"an empty battery's": {time.Unix(0, 0), true},
	} {
		err := checkClock(c.now)
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (!strings.Contains(err.Error(), built.UTC().Format(time.RFC3339)) || !strings.Contains(err.Error(), c.now.UTC().Format(time.RFC3339))) {
			t.Errorf("%s: %v names not both times", name, err)
		}
	}
}

func TestTheLatestKnownTimeCounts(t *testing.T) {
	commit := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	for name, c := range map[string]struct {
		facts buildFacts
		want  string
	}{
		"nothing is known":     {buildFacts{version: "unknown"}, released},
		"the commit":           {buildFacts{built: commit}, "2031-05-06T07:08:09Z"},
		"a commit of long ago": {buildFacts{built: time.Unix(0, 0)}, released},
		"a pseudo-version":     {buildFacts{version: "v0.0.0-20310203040506-abcdefabcdef"}, "2031-02-03T04:05:06Z"},
		"one after a version":  {buildFacts{version: "v1.2.4-0.20310203040506-abcdefabcdef"}, "2031-02-03T04:05:06Z"},
		"a version":            {buildFacts{version: "v1.2.3-rc.1"}, released},
		"a local build":        {buildFacts{version: "(devel)"}, released},
		"the later of two":     {buildFacts{built: commit, version: "v0.0.0-20310203040506-abcdefabcdef"}, "2031-05-06T07:08:09Z"},
	} {
		if got := madeAt(c.facts).Format(time.RFC3339); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
