// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"fmt"
	"time"
)

// level is how a check of the doctor ended.
type level string

const (
	levelOK   level = "ok"
	levelWarn level = "warn" // works, and is likely not what was wanted
	levelFail level = "FAIL" // does not work, or protects nothing
	levelSkip level = "skip" // could not be looked at, for a reason that is no fault
)

// finding is one line of the doctor's report.
type finding struct {
	Check string `json:"check"`
	Level level  `json:"level"`
	// Text is one sentence or two, with what was found.
	Text string `json:"text"`
	// Hint says what to do; empty where nothing is to be done.
	Hint string `json:"hint,omitempty"`
}

// doctor looks at a configuration, at what it depends on, and at the server
// that runs it.
type doctor struct {
	config, adapter string // the file, and what adapts it
	address         string // the admin API; empty means the default, which need not answer
	now             func() time.Time
	build           buildFacts

	findings []finding
}

// ok, warn, fail and skip add a finding.
func (d *doctor) ok(check, format string, args ...any) {
	d.add(finding{check, levelOK, fmt.Sprintf(format, args...), ""})
}

func (d *doctor) warn(check, hint, format string, args ...any) {
	d.add(finding{check, levelWarn, fmt.Sprintf(format, args...), hint})
}

func (d *doctor) fail(check, hint, format string, args ...any) {
	d.add(finding{check, levelFail, fmt.Sprintf(format, args...), hint})
}

func (d *doctor) skip(check, format string, args ...any) {
	d.add(finding{check, levelSkip, fmt.Sprintf(format, args...), ""})
}

func (d *doctor) add(f finding) { d.findings = append(d.findings, f) }

// failed counts the checks that failed.
func (d *doctor) failed() (count int) {
	for _, f := range d.findings {
		if f.Level == levelFail {
			count++
		}
	}
	return count
}

// examine runs all checks. One that fails does not keep the others from being
// made, unless there is nothing left to look at.
func (d *doctor) examine(ctx context.Context) error {
	if err := hush(); err != nil {
		return err
	}
	if c := d.checkConfiguration(); c != nil {
		d.checkPolicies(c)
		d.checkMemory(c)
		d.checkLogs(c)
		offset, known := d.checkKeySets(ctx, c)
		d.checkClock(offset, known, time.Duration(*c.app.Proof.ClockSkew))
	}
	d.checkRunning(ctx)
	return nil
}

// checkConfiguration reads, adapts and validates the file as `caddy validate`
// does, without opening its log files.
func (d *doctor) checkConfiguration() *configuration {
	const check = "configuration"
	c, err := readConfiguration(d.config, d.adapter)
	if err != nil {
		d.fail(check, "correct the file; docs/configuration.md has every word of it", "%s is not usable: %v.", d.config, err)
		return nil
	}
	for _, warning := range c.warnings {
		d.warn(check, "`caddy fmt --overwrite` formats a Caddyfile", "%s:%d: %s.", warning.File, warning.Line, warning.Message)
	}
	if err := c.validate(); err != nil {
		d.fail(check, "correct the file; docs/configuration.md has every word of it", "%s is not valid: %v.", d.config, err)
		return nil
	}
	d.ok(check, "%s is valid.", d.config)
	return c
}
