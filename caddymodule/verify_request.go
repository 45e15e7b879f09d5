// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxCapture bounds a captured request, in bytes.
const maxCapture = 4 << 20

// capture is a request as somebody recorded it.
type capture struct {
	request *http.Request
	// answered is the Date of the answer, if that was recorded too.
	answered time.Time
}

// readCapture reads a raw HTTP/1.1 request, or what `curl -v` printed, in
// which lines of the request begin with "> ". Errors show nothing of it.
func readCapture(from io.Reader) (*capture, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxCapture+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxCapture {
		return nil, fmt.Errorf("the request is longer than %d bytes", maxCapture)
	}
	c := new(capture)
	if isVerbose(text) {
		if text, c.answered, err = fromVerbose(text); err != nil {
			return nil, err
		}
	}
	c.request, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(ended(oldVersion(text)))))
	if err != nil {
		return nil, errors.New("not an HTTP request; expected a request line such as `GET /owa/ HTTP/1.1` and header lines after it, or what curl -v prints")
	}
	return c, nil
}

func isVerbose(text []byte) bool {
	return bytes.HasPrefix(text, []byte("> ")) || bytes.Contains(text, []byte("\n> "))
}

// fromVerbose takes the one request out of what curl -v printed.
func fromVerbose(text []byte) (request []byte, answered time.Time, err error) {
	requests := 0
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		if sent, ok := bytes.CutPrefix(line, []byte("> ")); ok {
			if isRequestLine(sent) {
				requests++
			}
			request = append(append(request, sent...), "\r\n"...)
		}
		name, value, _ := strings.Cut(string(line), ":")
		if strings.EqualFold(name, "< date") {
			answered, _ = http.ParseTime(strings.TrimSpace(value)) // an unreadable one is as good as none
		}
	}
	if requests != 1 {
		return nil, answered, fmt.Errorf("there are %d requests in it; expected one: leave the others out", requests)
	}
	return request, answered, nil
}

func isRequestLine(line []byte) bool {
	fields := bytes.Fields(line)
	return len(fields) == 3 && bytes.HasPrefix(fields[2], []byte("HTTP/"))
}

// oldVersion writes the request line of HTTP/2 and HTTP/3, as curl shows it,
// in the way that can be read.
func oldVersion(text []byte) []byte {
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	for _, version := range []string{" HTTP/2", " HTTP/3"} {
		if target, ok := bytes.CutSuffix(line, []byte(version)); ok {
			return append(append(bytes.Clone(target), " HTTP/1.1\r\n"...), rest...)
		}
	}
	return text
}

// ended adds the empty line after the header, which is easily lost.
func ended(text []byte) []byte {
	if bytes.Contains(text, []byte("\r\n\r\n")) || bytes.Contains(text, []byte("\n\n")) {
		return text
	}
	return append(bytes.TrimRight(text, "\r\n"), "\r\n\r\n"...)
}
