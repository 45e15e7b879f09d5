// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the longest line that Read takes, in bytes.
const MaxLine = 1 << 20

// column is what every sign-in record has and hardly another line of a log. Lines without it are not parsed, so that
// reports over a busy access log are quick and its console lines do no harm.
var column = []byte(`"ConditionalAccessPolicies"`)

var errLong = fmt.Errorf("longer than %d bytes", MaxLine)

// MalformedError says that some sign-in records of a log could not be read. All others were.
type MalformedError struct {
	Records int   // how many
	First   int   // the line of the first, from 1
	Reason  error // what was wrong with the first
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("%d sign-in records could not be read, the first in line %d: %v", e.Records, e.First, e.Reason)
}

func (e *MalformedError) Unwrap() error { return e.Reason }

// Read calls each with the sign-in records of a log, one after the other. The log is JSON lines: as Caddy's JSON encoder
// writes them, among the lines of other loggers, or bare as exported from Log Analytics. A last line cut short is
// ignored: the log is still being written. Records that cannot be read are skipped and reported at the end, as a
// *MalformedError. The first error of each, or of r, ends the reading and is returned as it is.
func Read(r io.Reader, each func(*Entry) error) error {
	lines := bufio.NewReaderSize(r, 1<<16)
	var malformed *MalformedError
	var buffer []byte
	var scanner scanner
	for number := 1; ; number++ {
		text, whole, err := readLine(lines, buffer[:0])
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", number, err)
		}
		buffer = text
		entry, bad := scanner.record(text)
		if bad != nil && whole {
			if malformed == nil {
				malformed = &MalformedError{First: number, Reason: bad}
			}
			malformed.Records++
		}
		if entry != nil {
			if err := each(entry); err != nil {
				return err
			}
		}
		if err == nil {
			continue
		}
		if malformed != nil {
			return malformed
		}
		return nil
	}
}

// record parses one line; nil without an error if it is not a sign-in record.
func (s *scanner) record(text []byte) (*Entry, error) {
	switch {
	case !bytes.Contains(text, column):
		return nil, nil
	case len(text) > MaxLine:
		return nil, errLong
	}
	if e, ok := s.scan(text); ok {
		return e, nil
	}
	return parse(text)
}

// readLine appends the next line to buffer, at most MaxLine and one bytes of it, and reads to its end. It is whole if the
// line's end was there.
func readLine(r *bufio.Reader, buffer []byte) (text []byte, whole bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		whole = err == nil
		part = bytes.TrimSuffix(part, []byte{'\n'})
		buffer = append(buffer, part[:min(len(part), MaxLine+1-len(buffer))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return buffer, whole, err
		}
	}
}
