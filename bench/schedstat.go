// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpuTime is how long the threads of a process and of all its descendants have
// been on a processor since each began, in user space and in the kernel: the
// scheduler's own count, in nanoseconds, where getrusage and /proc/<pid>/stat
// count ticks. What a child did counts only while it lives.
func cpuTime(proc string, pid int) (time.Duration, error) {
	folder := filepath.Join(proc, strconv.Itoa(pid), "task")
	tasks, err := os.ReadDir(folder)
	if err != nil {
		return 0, fmt.Errorf("reading the threads of the process: %w", err)
	}
	var sum time.Duration
	for _, task := range tasks {
		line, err := os.ReadFile(filepath.Join(folder, task.Name(), "schedstat"))
		if os.IsNotExist(err) {
			continue // the thread has just ended
		}
		if err != nil {
			return 0, fmt.Errorf("reading the scheduler's statistics: %w", err)
		}
		onCPU, err := parseSchedstat(string(line))
		if err != nil {
			return 0, err
		}
		sum += onCPU
		// Kernels without CONFIG_PROC_CHILDREN have no such file. Caddy starts no processes.
		children, _ := os.ReadFile(filepath.Join(folder, task.Name(), "children"))
		for child := range strings.FieldsSeq(string(children)) {
			pid, err := strconv.Atoi(child)
			if err != nil {
				return 0, fmt.Errorf("reading the process's children: %w", err)
			}
			if its, err := cpuTime(proc, pid); err == nil { // else it has just ended
				sum += its
			}
		}
	}
	return sum, nil
}

// parseSchedstat reads a line of /proc/<pid>/task/<tid>/schedstat: time on a
// processor, time waiting for one, both in nanoseconds, and time slices.
func parseSchedstat(line string) (time.Duration, error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return 0, fmt.Errorf("schedstat: %d fields; expected 3", len(fields))
	}
	onCPU, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat: %w", err)
	}
	return time.Duration(onCPU), nil
}
