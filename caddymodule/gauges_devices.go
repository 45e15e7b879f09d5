// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The label directory is the kind: `file`, `http` or `ldap`.
var (
	directoryAnswers = describe("device_directory_answers_total", "Questions to the device directory, or readings of its file.", "directory", "result")
	directoryAge     = describe("device_directory_age_seconds", "Time since the device directory last answered, or its file was read; absent until then.", "directory")
	directoryDevices = describe("device_directory_devices", "Devices in the file, or answers that are cached.", "directory")
	revokedEntries   = describe("revocations", "Devices and keys that are revoked on this server.")
	watchedStreams   = describe("watched_streams", "Answers under way that end when their device or key is revoked.")
)

var deviceDescriptions = []*prometheus.Desc{directoryAnswers, directoryAge, directoryDevices, revokedEntries, watchedStreams}

// collectDevices reads the state of the device step.
func (a *App) collectDevices(gauge func(*prometheus.Desc, float64, ...string), counter func(*prometheus.Desc, uint64, ...string)) {
	gauge(revokedEntries, float64(a.devices.revocations.Len()))
	gauge(watchedStreams, float64(a.devices.revocations.Open()))
	if a.devices.directory == nil {
		return
	}
	source, status := a.DeviceDirectory.Source, a.devices.directory.Status()
	counter(directoryAnswers, status.Answers, source, "success")
	counter(directoryAnswers, status.Failures, source, "failure")
	gauge(directoryDevices, float64(status.Devices), source)
	if !status.Read.IsZero() {
		gauge(directoryAge, time.Since(status.Read).Seconds(), source)
	}
}
