// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// The longest name that covers a logger decides, as in Caddy.
func TestLogsAcceptWhatCaddyGivesThem(t *testing.T) {
	for _, test := range []struct {
		include, exclude []string
		logger           string
		want             bool
	}{
		{nil, nil, "http.log.access", true},
		{[]string{"http.log.access"}, nil, "http.log.access", true},
		{[]string{"http.log.access"}, nil, "http.log.access.log0", true},
		{[]string{"http.log.access.log0"}, nil, "http.log.access", false},
		{[]string{"http.log.acc"}, nil, "http.log.access", false},
		{nil, []string{"token_protection.sign_in"}, "token_protection.sign_in", false},
		{nil, []string{"token_protection"}, "token_protection.sign_in", false},
		{nil, []string{"token_protection.sign_in"}, "token_protection", true},
		{[]string{"http"}, []string{"http.log.access"}, "http.log.access", false},
		{[]string{"http.log.access"}, []string{"http.log"}, "http.log.access", true},
	} {
		if got := accepts(&caddy.CustomLog{Include: test.include, Exclude: test.exclude}, test.logger); got != test.want {
			t.Errorf("include %v, exclude %v, %s: %v", test.include, test.exclude, test.logger, got)
		}
	}
}

func TestDoctorLooksAtEveryAccessLog(t *testing.T) {
	i := newIssuer(t)
	site := "log {\n\t\toutput stderr\n\t}\n" + respond
	d := examined(t, doctored(i, "", policyOn, site), nil)
	if says := d.says("log filter", levelWarn); !strings.Contains(says, "The log log0") || strings.Contains(says, "The log default") {
		t.Errorf("a log of the site: %s", says)
	}
	site = strings.Replace(site, "output stderr", "output discard", 1)
	if says := examined(t, doctored(i, "", policyOn, site), nil).says("log filter", levelWarn); says != "" {
		t.Errorf("a log that goes nowhere: %s", says)
	}
	filtered := strings.Replace(site, "output discard", exampleFilter(t), 1)
	if says := examined(t, doctored(i, "servers {\n\t\tlog_credentials\n\t}", policyOn, filtered), nil).says("log filter", levelWarn); !strings.Contains(says, "log_credentials") {
		t.Errorf("credentials: %s", says)
	}
}

// A filter of another field than those that hold secrets is none.
func TestUnfilteredNamesWhatIsShown(t *testing.T) {
	log := new(caddy.CustomLog)
	log.EncoderRaw = []byte(`{"format":"filter","fields":{"request>headers>Dpop":{"filter":"hash"}}}`)
	missing := unfiltered(log)
	if len(missing) != len(secretFields)-1 || slices.Contains(missing, "request>headers>Dpop") {
		t.Errorf("missing %v", missing)
	}
	log.EncoderRaw = []byte(`{"format":"json"}`)
	if missing := unfiltered(log); len(missing) != len(secretFields) {
		t.Errorf("without a filter: missing %v", missing)
	}
}
