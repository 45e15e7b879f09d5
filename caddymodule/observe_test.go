// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// promtool runs Prometheus's own checker; without it the test is skipped,
// unless this is the gate.
func promtool(t *testing.T, arguments ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is needed (Debian: apt-get install prometheus)")
		}
		t.Skip("promtool is not installed (Debian: apt-get install prometheus)")
	}
	if output, err := exec.Command("promtool", arguments...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", arguments, err, output)
	}
}

func observed(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("../observe/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAlertRulesAreValidAndFire(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", "../observe/prometheus-rules.yml")
	promtool(t, "test", "rules", "../observe/prometheus-rules_test.yml")
}

// alerts are the rules, each from its name on.
func alerts(t testing.TB) []string {
	t.Helper()
	rules := strings.Split(observed(t, "prometheus-rules.yml"), "- alert: ")[1:]
	if len(rules) < 10 {
		t.Fatalf("only %d rules", len(rules))
	}
	return rules
}

// An alert that is not shown to fire may be one that cannot.
func TestEveryAlertIsShownToFire(t *testing.T) {
	tests := observed(t, "prometheus-rules_test.yml")
	for _, rule := range alerts(t) {
		name, _, _ := strings.Cut(rule, "\n")
		if !regexp.MustCompile(`alertname: ` + name + `\s+exp_alerts:`).MatchString(tests) {
			t.Errorf("%s is never shown to fire", name)
		}
	}
}

// dashboard is a Grafana dashboard, as far as it queries.
type dashboard struct {
	Panels []struct {
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct{ Definition string }
	}
}

func readDashboard(t testing.TB) (queries, variables []string) {
	t.Helper()
	d := decode[dashboard](t, []byte(observed(t, "grafana-dashboard.json")))
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, target.Expr)
		}
	}
	for _, variable := range d.Templating.List {
		variables = append(variables, variable.Definition)
	}
	if len(queries) < 20 {
		t.Fatalf("only %d queries", len(queries))
	}
	return queries, variables
}

// The queries are PromQL, once Grafana has put in its variables.
func TestDashboardQueriesAreValid(t *testing.T) {
	fill := strings.NewReplacer("$__rate_interval", "5m", "$resource", ".*", "$instance", ".*")
	rules := "groups:\n  - name: dashboard\n    rules:\n"
	queries, _ := readDashboard(t)
	for i, query := range queries {
		rules += fmt.Sprintf("      - record: \"query:%d\"\n        expr: %q\n", i, fill.Replace(query))
	}
	path := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}

// What queries are made of, as far as the tests look at them.
var (
	selectors = regexp.MustCompile(`(caddy_token_protection_[a-z_]+)(?:\{([^}]*)\})?`)
	matchers  = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`)
	groupings = regexp.MustCompile(`(?:by|on) \(([^)]*)\)`)
)

// scraped returns the label names of our metrics at the running node, by the
// names that a scrape has.
func scraped(t testing.TB) map[string][]string {
	t.Helper()
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "caddy_token_protection_") {
			continue
		}
		name, labels := family.GetName(), []string{"instance", "job"} // these Prometheus adds
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		if family.GetMetric()[0].GetHistogram() != nil {
			name, labels = name+"_bucket", append(labels, "le")
		}
		all[name] = labels
	}
	return all
}

// A metric or a label that no node has would make a panel that stays empty and
// an alert that never comes; one that is nowhere watched is of no use.
func TestDashboardAndRulesWatchWhatANodeHas(t *testing.T) {
	i, device := newIssuer(t), newDevice(t)
	setup{issuer: i, app: policyOn + "device_directory file testdata/devices.json\n"}.load(t)
	expectStatus(t, send(t, proven(t, i, device, "/ews")), http.StatusOK)
	known, watched := scraped(t), make(map[string]bool)
	queries, variables := readDashboard(t)
	for _, query := range slices.Concat(queries, variables, alerts(t)) {
		var available []string
		for _, found := range selectors.FindAllStringSubmatch(query, -1) {
			labels, ok := known[found[1]]
			if !ok {
				t.Errorf("no node has %s", found[1])
			}
			watched[found[1]], available = true, append(available, labels...)
			for _, matcher := range matchers.FindAllStringSubmatch(found[2], -1) {
				if !slices.Contains(labels, matcher[1]) {
					t.Errorf("%s has no label %s", found[1], matcher[1])
				}
			}
		}
		for _, grouping := range groupings.FindAllStringSubmatch(query, -1) {
			for label := range strings.SplitSeq(grouping[1], ", ") {
				if !slices.Contains(available, label) {
					t.Errorf("no metric has the label %s of %s", label, query)
				}
			}
		}
	}
	for name := range known {
		if !watched[name] {
			t.Errorf("nobody watches %s", name)
		}
	}
}
