// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// ledger holds what must never appear in a server's output.
var ledger = struct {
	sync.Mutex
	prefixes map[string]string // of a secret's parts, to what it is
	servers  []*Server
}{prefixes: make(map[string]string)}

// prefix is how much of a secret's part is enough to call it leaked.
const prefix = 20

// run is a stretch of text that could be a part of a secret.
var run = regexp.MustCompile(`[A-Za-z0-9_-]{20,}`)

// Secret notes that value must not appear in any output. What identifies
// nothing by itself, the header of a JWS, is left out. It returns the value.
func Secret(kind, value string) string {
	parts := strings.Split(value, ".")
	if len(parts) == 3 {
		parts = parts[1:]
	}
	ledger.Lock()
	defer ledger.Unlock()
	for _, part := range parts {
		for _, text := range run.FindAllString(part, -1) {
			ledger.prefixes[text[:prefix]] = kind
		}
	}
	return value
}

// Leaks searches the output of every server that was started, and returns
// one line for each secret found. It shows the place, not the secret.
func Leaks() []string {
	ledger.Lock()
	servers := ledger.servers
	ledger.Unlock()
	var leaks []string
	for _, server := range servers {
		for _, leak := range LeaksIn(server.Output()) {
			leaks = append(leaks, server.name+": "+leak)
		}
	}
	return leaks
}

// LeaksIn searches one text.
func LeaksIn(text []byte) []string {
	ledger.Lock()
	defer ledger.Unlock()
	var leaks []string
	for number, line := range bytes.Split(text, []byte("\n")) {
		for _, at := range run.FindAllIndex(line, -1) {
			kind, leaked := ledger.prefixes[string(line[at[0]:at[0]+prefix])]
			if leaked {
				leaks = append(leaks, fmt.Sprintf("line %d: a %s, after %q", number+1, kind, line[max(0, at[0]-60):at[0]]))
			}
		}
	}
	return leaks
}

// Crashes returns the names of the servers whose output shows a panic or,
// with the race detector built in, a data race.
func Crashes() []string {
	ledger.Lock()
	defer ledger.Unlock()
	var crashed []string
	for _, server := range ledger.servers {
		output := server.Output()
		if bytes.Contains(output, []byte("DATA RACE")) || bytes.Contains(output, []byte("panic")) {
			crashed = append(crashed, server.name)
		}
	}
	return crashed
}
