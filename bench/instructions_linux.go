// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// instructions counts the instructions that a process executes in user space,
// with the processor's own counters. They repeat to a fraction of a percent,
// whatever else the machine does. Virtual machines often have none.
type instructions struct{ counters []int }

// countInstructions begins to count for a process, with the threads it has and
// those it will start.
func countInstructions(pid int) (*instructions, error) {
	tasks, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		return nil, err
	}
	attributes := unix.PerfEventAttr{
		Type:   unix.PERF_TYPE_HARDWARE,
		Config: unix.PERF_COUNT_HW_INSTRUCTIONS,
		Bits:   unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv | unix.PerfBitInherit,
	}
	attributes.Size = uint32(unsafe.Sizeof(attributes))
	counted := new(instructions)
	for _, task := range tasks {
		thread, err := strconv.Atoi(task.Name())
		if err != nil {
			return nil, err
		}
		counter, err := unix.PerfEventOpen(&attributes, thread, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ESRCH) {
			continue // the thread has just ended
		}
		if errors.Is(err, unix.ENOENT) {
			counted.close()
			return nil, errors.New("this machine shows no hardware counters")
		}
		if err != nil {
			counted.close()
			return nil, fmt.Errorf("perf_event_open: %w", err)
		}
		counted.counters = append(counted.counters, counter)
	}
	return counted, nil
}

// read returns the count so far.
func (i *instructions) read() (float64, error) {
	var sum uint64
	for _, counter := range i.counters {
		var count [8]byte
		if _, err := unix.Read(counter, count[:]); err != nil {
			return 0, fmt.Errorf("reading a hardware counter: %w", err)
		}
		sum += binary.NativeEndian.Uint64(count[:])
	}
	return float64(sum), nil
}

func (i *instructions) close() {
	for _, counter := range i.counters {
		_ = unix.Close(counter)
	}
}
