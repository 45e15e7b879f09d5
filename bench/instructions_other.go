// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "errors"

// instructions would count the instructions of a process.
type instructions struct{}

func countInstructions(int) (*instructions, error) {
	return nil, errors.New("perf_event_open is Linux's")
}

func (*instructions) read() (float64, error) { return 0, errors.ErrUnsupported }

func (*instructions) close() {}
