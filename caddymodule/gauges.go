// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, name), help, labels, nil)
}

var (
	replayEntries   = describe("replay_entries", "Spent proofs that this process remembers, by proof scheme.", "scheme")
	replayRefusals  = describe("replay_refusals_total", "Proofs refused by the replay set, by proof scheme and cause.", "scheme", "cause")
	replayOverflows = describe("replay_overflows_total", "Times that spent proofs were forgotten because the set was full, by proof scheme.", "scheme")
	watermark       = describe("replay_watermark_timestamp_seconds", "Proofs not younger than this may have been forgotten, and need a fresh server nonce, by proof scheme.", "scheme")
	storeUp         = describe("replay_store_up", "Whether the replay store that nodes share answers; absent without one.")
	storeFailures   = describe("replay_store_failures_total", "Times that the replay store stopped answering; absent without one.")
	cacheRequests   = describe("cache_requests_total", "Look-ups in the caches of tokens and device keys.", "cache", "result")
	cacheEntries    = describe("cache_entries", "Entries in the caches of tokens and device keys.", "cache")
	keySetAge       = describe("key_set_age_seconds", "Time since the issuer's key set was fetched; absent until the first success.", "issuer")
	keySetKeys      = describe("key_set_keys", "Usable keys in the issuer's key set.", "issuer")
	keySetFetches   = describe("key_set_fetches_total", "Fetches of the issuer's key set.", "issuer", "result")
)

// stateCollector reads the state of the running app when metrics are scraped.
type stateCollector struct{}

// Describe implements prometheus.Collector.
func (stateCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{
		replayEntries, replayRefusals, replayOverflows, watermark, storeUp, storeFailures, cacheRequests, cacheEntries, keySetAge, keySetKeys, keySetFetches,
	} {
		descriptions <- description
	}
	for _, description := range deviceDescriptions {
		descriptions <- description
	}
}

// Collect implements prometheus.Collector.
func (stateCollector) Collect(metrics chan<- prometheus.Metric) {
	app := live.latest()
	if app == nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value uint64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
	}
	for scheme, replay := range app.spent.stats() {
		gauge(replayEntries, float64(replay.Entries), string(scheme))
		gauge(watermark, float64(replay.Watermark.UnixMilli())/1000, string(scheme))
		counter(replayRefusals, replay.Replayed, string(scheme), "replayed")
		counter(replayRefusals, replay.OverQuota, string(scheme), "over_quota")
		counter(replayOverflows, replay.Overflows, string(scheme))
	}
	if app.store != nil {
		status := app.store.Status()
		gauge(storeUp, map[bool]float64{true: 1}[status.Up])
		counter(storeFailures, status.Failures)
	}
	lru := func(name string, hits, misses uint64, entries int) {
		counter(cacheRequests, hits, name, "hit")
		counter(cacheRequests, misses, name, "miss")
		gauge(cacheEntries, float64(entries), name)
	}
	tokens, keys := app.verified.Stats(), app.keys.Stats()
	lru("tokens", tokens.Hits, tokens.Misses, app.verified.Len())
	lru("device_keys", keys.Hits, keys.Misses, app.keys.Len())
	app.collectDevices(gauge, counter)
	for _, keys := range app.keySets {
		status := keys.Status()
		counter(keySetFetches, status.Fetches, status.Issuer, "success")
		counter(keySetFetches, status.Failures, status.Issuer, "failure")
		gauge(keySetKeys, float64(status.Keys), status.Issuer)
		if !status.Fetched.IsZero() {
			gauge(keySetAge, status.Age(time.Now()).Seconds(), status.Issuer)
		}
	}
}
