// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// readResponse reads one response of HTTP/1.1 (RFC 9112) and returns its
// status and the length of its body. It knows bodies with a length and nothing else, because that is what
// the backend and the refusals send: the less the generator does, the more of
// the machine is left for what is measured.
func readResponse(r *bufio.Reader) (status, length int, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, 0, fmt.Errorf("reading the status line: %w", err)
	}
	if len(line) < len("HTTP/1.1 200") || string(line[:9]) != "HTTP/1.1 " {
		return 0, 0, errors.New("the answer does not begin with a status line of HTTP/1.1")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, errors.New("the status is not a number")
	}
	length = -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, 0, fmt.Errorf("reading the header: %w", err)
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, 0, errors.New("Content-Length is not a number")
			}
		}
	}
	if length < 0 {
		return 0, 0, fmt.Errorf("the answer with status %d has no Content-Length", status)
	}
	if _, err = r.Discard(length); err != nil {
		return 0, 0, fmt.Errorf("reading the body: %w", err)
	}
	return status, length, nil
}

// readRequest reads one request without a body; io.EOF says that there is none.
func readRequest(r *bufio.Reader) error {
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		switch {
		case err == io.EOF && first && len(line) == 0:
			return io.EOF
		case err != nil:
			return fmt.Errorf("reading a request: %w", err)
		case len(line) <= len("\r\n"):
			return nil
		}
	}
}
