// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tokenprotection/caddy-token-protection/enforcement"
	"github.com/tokenprotection/caddy-token-protection/enforcement/policy"
	"github.com/tokenprotection/caddy-token-protection/enforcement/proof"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

const namespace, subsystem = "caddy", "token_protection"

// The collectors live as long as the process, so that counts survive reloads.
// Labels come from the configuration and from closed sets: never from a
// request, a user or a device.
var (
	decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "decisions_total",
		Help: "Requests by resource, proof scheme, result (allow, block, exempt, anonymous) and session status code.",
	}, []string{"resource", "scheme", "result", "code"})
	reasons = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "unbound_total",
		Help: "Requests that did not prove possession of the key their token is bound to, by the check that failed first.",
	}, []string{"resource", "reason"})
	policyResults = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "policy_results_total",
		Help: "Policy results by resource and policy id.",
	}, []string{"resource", "policy", "result"})
	breakGlass = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "breakglass_total",
		Help: "Requests that passed without proof of possession because their user is excluded from every policy that is on.",
	}, []string{"resource"})
	panics = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "panics_total",
		Help: "Requests that could not be judged because of an unexpected failure.",
	}, []string{"resource"})
	verification = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "verification_seconds",
		Help:    "Time from the arrival of a request at the handler to its decision.",
		Buckets: []float64{25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 5e-3, 25e-3, 100e-3, 1, 5},
	}, []string{"resource"})
)

// skews shows how far the clocks of devices are off: half of a request's way, and up
// to a second because iat is a whole number, are in it too.
var skews = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Namespace: namespace, Subsystem: subsystem, Name: "proof_age_seconds",
	Help:    "Age of genuine proofs by the clock of the device that made them, negative where it is ahead.",
	Buckets: []float64{-15, -5, -1, 0, 1, 2, 5, 15, 60, 300},
}, []string{"scheme"})

// registerMetrics registers the collectors with a configuration's registry.
func registerMetrics(registry *prometheus.Registry) error {
	for _, collector := range []prometheus.Collector{
		decisions, reasons, policyResults, breakGlass, panics, verification, skews, stateCollector{},
	} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(collector); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// counters are one handler's counters, looked up once per label set.
type counters struct {
	resource     string
	results      [schemeCount][resultCount][codeCount]atomic.Pointer[prometheus.Counter]
	reasons      map[reason.Reason]prometheus.Counter
	policies     [][policy.Results + 1]prometheus.Counter // by policy and result
	breakGlass   prometheus.Counter
	panics       prometheus.Counter
	verification prometheus.Observer
	skews        [schemeCount]prometheus.Observer
}

// The small closed sets that decisions are counted by.
const (
	schemeCount = 5
	resultCount = 4
	codeCount   = 8
)

var (
	schemeLabels = [schemeCount]proof.Scheme{"none", proof.DPoP, proof.MTLS, proof.PoP, proof.DBSC}
	resultLabels = [resultCount]string{"allow", "block", "exempt", "anonymous"}
	codeLabels   = [codeCount]int{
		reason.CodeBound, reason.CodeNoBinding, reason.CodeDevice, reason.CodeNotHardware,
		reason.CodeVersion, reason.CodeOwner, reason.CodeNoProof, reason.CodeOther,
	}
)

func newCounters(resource string, policies *policy.Set) *counters {
	c := &counters{
		resource:     resource,
		reasons:      make(map[reason.Reason]prometheus.Counter),
		breakGlass:   breakGlass.WithLabelValues(resource),
		panics:       panics.WithLabelValues(resource),
		verification: verification.WithLabelValues(resource),
	}
	for i, scheme := range schemeLabels {
		if scheme == proof.DPoP || scheme == proof.PoP { // the others say no time of their own
			c.skews[i] = skews.WithLabelValues(string(scheme))
		}
	}
	for _, why := range reason.All() {
		c.reasons[why] = reasons.WithLabelValues(resource, string(why))
	}
	for _, id := range policies.IDs() {
		var byResult [policy.Results + 1]prometheus.Counter
		for result := policy.Success; int(result) <= policy.Results; result++ {
			byResult[result] = policyResults.WithLabelValues(resource, id, result.String())
		}
		c.policies = append(c.policies, byResult)
	}
	return c
}

func (c *counters) count(d *enforcement.Decision, took time.Duration) {
	c.decision(d).Inc()
	c.verification.Observe(took.Seconds())
	if counter := c.reasons[d.Reason]; counter != nil {
		counter.Inc()
	}
	for i := range d.Outcomes {
		c.policies[i][d.Outcomes[i].Result].Inc()
	}
	if d.Bound && !d.Binding.IssuedAt.IsZero() {
		if i := slices.Index(schemeLabels[:], d.Binding.Scheme); i >= 0 && c.skews[i] != nil {
			c.skews[i].Observe(time.Since(d.Binding.IssuedAt).Seconds())
		}
	}
	if d.BreakGlass {
		c.breakGlass.Inc()
	}
	if d.Panicked {
		c.panics.Inc()
	}
}

func (c *counters) decision(d *enforcement.Decision) prometheus.Counter {
	scheme, result, code := 0, 0, codeIndex(d.Code())
	if d.Bound {
		scheme = max(0, slices.Index(schemeLabels[:], d.Binding.Scheme))
	}
	switch {
	case d.Exempt:
		result = 2
	case d.Anonymous:
		result = 3
	case !d.Allow:
		result = 1
	}
	slot := &c.results[scheme][result][code]
	if counter := slot.Load(); counter != nil {
		return *counter
	}
	counter := decisions.WithLabelValues(c.resource, string(schemeLabels[scheme]), resultLabels[result], strconv.Itoa(codeLabels[code]))
	slot.Store(&counter)
	return counter
}

func codeIndex(code int) int {
	for i, known := range codeLabels {
		if code == known {
			return i
		}
	}
	return codeCount - 1 // CodeOther
}
