// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// memory is what a server's debug variables (/debug/vars) say of its memory:
// runtime.MemStats of its process.
type memory struct {
	Mallocs    uint64 // heap objects allocated so far
	TotalAlloc uint64 // bytes allocated so far
	HeapAlloc  uint64 // bytes in use, and garbage that was not collected yet
}

// readMemory asks the admin API at address.
func readMemory(address string) (memory, error) {
	var variables struct {
		Memory memory `json:"memstats"`
	}
	response, err := http.Get("http://" + address + "/debug/vars")
	if err != nil {
		return memory{}, fmt.Errorf("reading the debug variables: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return memory{}, fmt.Errorf("reading the debug variables: status %d", response.StatusCode)
	}
	if err := json.NewDecoder(response.Body).Decode(&variables); err != nil {
		return memory{}, fmt.Errorf("reading the debug variables: %w", err)
	}
	if variables.Memory.Mallocs == 0 {
		return memory{}, fmt.Errorf("the debug variables have no memstats")
	}
	return variables.Memory, nil
}
