// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// series is one time series.
type series struct {
	name, labels string
	value        float64 // of a counter or gauge
}

// gather collects our metrics from the running configuration's registry.
func gather(t testing.TB) (ours []series) {
	t.Helper()
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if !strings.Contains(family.GetName(), "token_protection") {
			continue
		}
		for _, metric := range family.GetMetric() {
			ours = append(ours, series{family.GetName(), fmt.Sprint(metric.GetLabel()), metric.GetCounter().GetValue() + metric.GetGauge().GetValue()})
		}
	}
	return ours
}

// counter returns the sum over all series of a counter.
func counter(t testing.TB, name string) (sum float64) {
	t.Helper()
	for _, s := range gather(t) {
		if s.name == prometheus.BuildFQName(namespace, subsystem, name) {
			sum += s.value
		}
	}
	return sum
}

func TestMetricsSurviveReloadsAndSecondHandlers(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	s := setup{issuer: i, app: policyOn, site: `
	token_protection /ews exchange {
		audience https://mail.contoso.example
	}
	token_protection /owa exchange {
		audience https://mail.contoso.example
	}
	respond in`}
	s.load(t)
	before := counter(t, "decisions_total")
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	expectStatus(t, send(t, proven(t, i, device, "/owa")), http.StatusOK)
	expectStatus(t, send(t, request("/owa", "")), http.StatusUnauthorized)
	s.load(t)
	if got := counter(t, "decisions_total"); got != before+3 {
		t.Errorf("%v decisions after the reload, expected %v", got, before+3)
	}
	expectStatus(t, send(t, request("/owa", "")), http.StatusUnauthorized)
	if got := counter(t, "decisions_total"); got != before+4 {
		t.Errorf("%v decisions, expected %v: counting stopped with the reload", got, before+4)
	}
}

func TestMetricsAreNamedAlike(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn}.load(t)
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	names := regexp.MustCompile(`^caddy_token_protection_[a-z_]+$`)
	got := make(map[string]bool)
	for _, s := range gather(t) {
		got[s.name] = true
		if !names.MatchString(s.name) {
			t.Errorf("metric %s", s.name)
		}
	}
	for _, name := range []string{
		"decisions_total", "unbound_total", "policy_results_total", "verification_seconds", "cache_requests_total", "cache_entries",
		"replay_entries", "replay_refusals_total", "replay_overflows_total", "replay_watermark_timestamp_seconds",
		"key_set_age_seconds", "key_set_fetches_total", "key_set_keys", "breakglass_total", "panics_total", "proof_age_seconds",
	} {
		if !got["caddy_token_protection_"+name] {
			t.Errorf("no metric %s", name)
		}
	}
	if counter(t, "panics_total") != 0 {
		t.Error("there were panics")
	}
}

func TestDecisionsAreCountedByTheirScheme(t *testing.T) {
	for _, scheme := range []proof.Scheme{proof.DPoP, proof.MTLS, proof.PoP, proof.DBSC} {
		c := &counters{resource: "counted-" + string(scheme)}
		got := c.decision(&enforcement.Decision{Allow: true, Bound: true, Binding: proof.Binding{Scheme: scheme}})
		if got != decisions.WithLabelValues(c.resource, string(scheme), "allow", "0") {
			t.Errorf("%s is counted as another scheme", scheme)
		}
	}
}

// Labels come from closed sets: no request makes a new series beyond them.
func TestSeriesAreBounded(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn}.load(t)
	count := func() int {
		all := gather(t)
		for _, s := range all {
			if strings.Contains(s.labels, "random") {
				t.Fatalf("%s has a label from a request: %s", s.name, s.labels)
			}
		}
		return len(all)
	}
	junk := func(n int) {
		for range n {
			random := fmt.Sprintf("random%d", rand.Uint64())
			claims := confirmedBy(device)
			claims["oid"], claims["upn"], claims["deviceid"], claims["client_id"], claims["jti"] = random, random, random, random, random
			for _, authorization := range []string{"", random, "Bearer " + random, "DPoP " + i.token(t, claims)} {
				r := request("/"+random, authorization)
				r.Method = strings.ToUpper(random)
				r.Header.Set("User-Agent", random)
				r.Header.Set("Dpop", random)
				expectedRefusal(t, send(t, r).Code)
			}
			url := "http://" + siteName + "/" + random
			expectStatus(t, send(t, prove(t, request("/"+random, ""), device, i.token(t, claims), url)), http.StatusOK)
		}
	}
	junk(3)
	before := count()
	junk(50)
	if after := count(); after != before {
		t.Errorf("%d series, before %d", after, before)
	}
}

func expectedRefusal(t testing.TB, status int) {
	t.Helper()
	if status < 400 || status >= 500 {
		t.Fatalf("status %d, expected a refusal", status)
	}
}

// Each code of a decision has a label of its own.
func TestEveryCodeIsCounted(t *testing.T) {
	for _, why := range reason.All() {
		if code := why.Answer().Code; codeLabels[codeIndex(code)] != code {
			t.Errorf("%s: %d is counted as %d", why, code, codeLabels[codeIndex(code)])
		}
	}
}
