// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package livefile reads files that are read again when they change: key sets,
// policies, device directories. It knows when a file is another one than was
// read last, broken or not, and bounds what is read; what the content means,
// and that a broken file never replaces a good one, is up to its users.
package livefile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// File is one file. It is safe for concurrent use.
type File struct {
	path    string
	longest int

	mu   sync.Mutex
	read fs.FileInfo // what the file was when it was last read
}

// New returns a file of at most longest octets. Nothing is read yet.
func New(path string, longest int) *File { return &File{path: path, longest: longest} }

// Path returns the file's path, as it was given.
func (f *File) Path() string { return f.path }

// Read reads the whole file. Its errors name the path.
func (f *File) Read() ([]byte, error) {
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
	document, err := io.ReadAll(io.LimitReader(handle, int64(f.longest)+1))
	switch {
	case err != nil:
		return nil, err
	case len(document) > f.longest:
		return nil, fmt.Errorf("%s: longer than %d bytes", f.path, f.longest)
	}
	return document, nil
}

// Changed reports whether the file is another one than was read last. A file
// that is not there may be on its way and has not changed.
func (f *File) Changed() bool {
	info, err := os.Stat(f.path)
	if err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read == nil || !os.SameFile(info, f.read) ||
		info.Size() != f.read.Size() || !info.ModTime().Equal(f.read.ModTime())
}
