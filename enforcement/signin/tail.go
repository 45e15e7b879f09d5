// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// A Tail reads a log and goes on reading what is written to it, when the log is rolled too. It keeps one line in memory.
type Tail struct {
	Path      string
	Each      func(*Entry)  // is called with the records
	Malformed func(error)   // is called with what could not be read; nil ignores it
	Interval  time.Duration // between two looks; 0 means half a second. A log rolled twice in between loses a file

	scanner scanner
	file    *os.File
	read    int64
	line    []byte // the part of the last line that is there
}

// Follow reads until ctx is done, which is no error. A log that is not there is waited for.
func (t *Tail) Follow(ctx context.Context) error {
	interval := t.Interval
	if interval <= 0 {
		interval = 500 * time.Millisecond
	}
	defer t.close()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := t.look(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// look reads all that is there.
func (t *Tail) look(ctx context.Context) error {
	if t.file == nil {
		if err := t.open(); err != nil || t.file == nil {
			return err
		}
	}
	if err := t.drain(ctx); err != nil {
		return err
	}
	there, err := os.Stat(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // being rolled: what is written meanwhile goes to the open file
	}
	if err != nil {
		return err
	}
	here, err := t.file.Stat()
	switch {
	case err != nil:
		return err
	case !os.SameFile(there, here):
		if err := t.drain(ctx); err != nil { // what was written before it was moved
			return err
		}
		t.close()
		if err := t.open(); err != nil || t.file == nil {
			return err
		}
		return t.drain(ctx)
	case there.Size() < t.read: // cut to its beginning
		if _, err := t.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		t.read, t.line = 0, nil
		return t.drain(ctx)
	}
	return nil
}

func (t *Tail) open() error {
	file, err := os.Open(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	t.file, t.read, t.line = file, 0, nil
	if err != nil {
		t.file = nil
	}
	return err
}

func (t *Tail) close() {
	if t.file != nil {
		_ = t.file.Close() // only read
		t.file = nil
	}
}

// drain reads to the present end of the file.
func (t *Tail) drain(ctx context.Context) error {
	chunk := make([]byte, 1<<16)
	for ctx.Err() == nil {
		n, err := t.file.Read(chunk)
		t.read += int64(n)
		t.feed(chunk[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// feed takes lines apart. Of a line that is too long it keeps enough to know it by.
func (t *Tail) feed(chunk []byte) {
	for {
		part, rest, whole := bytes.Cut(chunk, []byte{'\n'})
		t.line = append(t.line, part[:min(len(part), MaxLine+1-len(t.line))]...)
		if !whole {
			return
		}
		e, err := t.scanner.record(t.line)
		switch {
		case e != nil:
			t.Each(e)
		case err != nil && t.Malformed != nil:
			t.Malformed(err)
		}
		t.line, chunk = t.line[:0], rest
	}
}
