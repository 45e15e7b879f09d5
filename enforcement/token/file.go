// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package token

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// NewFileKeySet returns a key set that is read from a JWK Set file, and read
// again when the file changes. It reads the file once to see that it is good.
func NewFileKeySet(issuer, path string) (*KeySet, error) {
	f := &file{path: path}
	document, err := f.fetch(context.Background())
	if err != nil {
		return nil, err
	}
	keys, err := parseKeySet(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := newKeySet(issuer, f)
	s.replace(keys, time.Now())
	return s, nil
}

// file is a key set on disk.
type file struct {
	path string

	mu   sync.Mutex
	read fs.FileInfo // what the file was when it was last read
}

func (f *file) fetch(context.Context) ([]byte, error) {
	handle, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.read = info
	f.mu.Unlock()
	document, err := io.ReadAll(io.LimitReader(handle, maxDocument+1))
	switch {
	case err != nil:
		return nil, err
	case len(document) > maxDocument:
		return nil, fmt.Errorf("%s: longer than %d bytes", f.path, maxDocument)
	}
	return document, nil
}

func (f *file) close() {}

// changed compares the file with what was last read, broken or not.
func (f *file) changed() bool {
	info, err := os.Stat(f.path)
	if err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read == nil || !os.SameFile(info, f.read) ||
		info.Size() != f.read.Size() || !info.ModTime().Equal(f.read.ModTime())
}
