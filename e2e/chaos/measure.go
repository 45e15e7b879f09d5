// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tokenprotection/caddy-token-protection/e2e/harness"
)

// figures are what a server takes at one moment.
type figures struct {
	resident    int64 // bytes of memory
	goroutines  int   // of this module
	descriptors int
	series      int // of this module
}

func (r *run) measure(server *harness.Server) figures {
	r.Helper()
	f := figures{resident: r.resident(server)}
	for stack := range strings.SplitSeq(r.get(server, "/debug/pprof/goroutine?debug=2"), "\n\n") {
		if strings.Contains(stack, "tokenprotection/") {
			f.goroutines++
		}
	}
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(server.PID()), "fd"))
	if err != nil {
		r.Fatal(err)
	}
	f.descriptors = len(open)
	for line := range strings.Lines(r.get(server, "/metrics")) {
		if strings.HasPrefix(line, "caddy_token_protection_") {
			f.series++
		}
	}
	return f
}

func (r *run) resident(server *harness.Server) int64 {
	r.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(server.PID()), "statm"))
	if err != nil {
		r.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		r.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// get asks the admin API.
func (r *run) get(server *harness.Server, path string) string {
	r.Helper()
	response, err := http.Get(server.AdminURL(path))
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

func pause() { time.Sleep(5 * time.Millisecond) }
