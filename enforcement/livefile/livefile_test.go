// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package livefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFileChangesWithItsContentTimeOrIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "first")
	f := New(path, 100)
	if !f.Changed() {
		t.Error("a file that was never read has not changed")
	}
	read := func(want string) {
		t.Helper()
		if got, err := f.Read(); err != nil || string(got) != want {
			t.Errorf("read %q and %v, expected %q", got, err, want)
		}
		if f.Changed() {
			t.Error("changed since it was read")
		}
	}
	read("first")
	for name, change := range map[string]func(){
		"length":   func() { write(t, path, "longer than before") },
		"time":     func() { _ = os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)) },
		"identity": func() { write(t, path+".new", "longer than before"); _ = os.Rename(path+".new", path) },
	} {
		change()
		if !f.Changed() {
			t.Errorf("%s: not seen", name)
		}
		read("longer than before")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if f.Changed() {
		t.Error("a file that is not there has changed")
	}
	if _, err := f.Read(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, expected one with the path", err)
	}
}

func TestFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for size, fits := range map[int]bool{9: true, 10: true, 11: false} {
		write(t, path, strings.Repeat("x", size))
		got, err := New(path, 10).Read()
		if fits != (err == nil) || fits != (len(got) == size) {
			t.Errorf("%d bytes: %d and %v", size, len(got), err)
		}
	}
}
