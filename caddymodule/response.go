// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"io"
	"maps"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// headerHook calls a function once, right before a response's header is
// written. It buffers nothing, and what is behind it (flushing, hijacking,
// trailers) is reached through it.
type headerHook struct {
	*caddyhttp.ResponseWriterWrapper
	before func(header http.Header)
	// withhold takes out what an informational response must not carry; nil
	// lets it pass as it is.
	withhold func(header http.Header)
	done     bool
}

func hookHeader(w http.ResponseWriter, before func(http.Header)) *headerHook {
	return &headerHook{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, before: before}
}

// WriteHeader runs the hook. Informational responses (RFC 9110, section 15.2)
// are not the answer yet, but for the one that ends HTTP.
func (h *headerHook) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		h.run()
	} else if h.withhold != nil {
		h.inform(status)
		return
	}
	h.ResponseWriterWrapper.WriteHeader(status)
}

// inform writes an informational response. The header is the one of the final
// response too: what is withheld now is there again then.
func (h *headerHook) inform(status int) {
	header := h.Header()
	all := maps.Clone(header)
	h.withhold(header)
	h.ResponseWriterWrapper.WriteHeader(status)
	clear(header)
	maps.Copy(header, all)
}

// Write runs the hook where the status is left to net/http.
func (h *headerHook) Write(p []byte) (int, error) {
	h.run()
	return h.ResponseWriterWrapper.Write(p)
}

// ReadFrom runs the hook where a body is copied without a status before it.
func (h *headerHook) ReadFrom(r io.Reader) (int64, error) {
	h.run()
	return h.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError runs the hook: flushing writes the header.
func (h *headerHook) FlushError() error {
	h.run()
	return http.NewResponseController(h.ResponseWriter).Flush()
}

func (h *headerHook) run() {
	if !h.done {
		h.done = true
		h.before(h.Header())
	}
}

// sink takes a response whose status and header alone matter.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(status int) {
	if s.status == 0 && status >= 200 {
		s.status = status
	}
}

func (s *sink) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return len(p), nil
}
