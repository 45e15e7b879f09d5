// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a compressed log can ask for.
const maxWindow = 32 << 20

// Decompress returns what r holds, unpacked if its first bytes are those of gzip or zstd, which are what Caddy packs rolled
// logs with. The caller closes the result; r stays open.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	magic, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952, section 2.3.1
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return unpacked, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878, section 3.1.1
		unpacked, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return unpacked.IOReadCloser(), nil
	}
	return io.NopCloser(buffered), nil
}

// rolledName is what Caddy puts between name and extension of a log that it rolls: the time, since 2025 the cause too.
var rolledName = regexp.MustCompile(`^-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?(-[A-Za-z0-9_]+)?$`)

// Rolled returns the files that Caddy rolled a log into and that are still there, packed or not, oldest first, followed by
// the log itself.
func Rolled(path string) ([]string, error) {
	folder, base := filepath.Split(path)
	extension := filepath.Ext(base)
	stem := strings.TrimSuffix(base, extension)
	entries, err := os.ReadDir(filepath.Join(folder, "."))
	if err != nil {
		return nil, err
	}
	var rolled []string
	for _, entry := range entries {
		name := strings.TrimSuffix(strings.TrimSuffix(entry.Name(), ".gz"), ".zst")
		middle, ok := strings.CutPrefix(name, stem)
		middle, fits := strings.CutSuffix(middle, extension)
		if ok && fits && rolledName.MatchString(middle) {
			rolled = append(rolled, filepath.Join(folder, entry.Name()))
		}
	}
	slices.Sort(rolled) // their times sort as text
	return append(rolled, path), nil
}
