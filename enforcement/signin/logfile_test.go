// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func zstandard(t testing.TB, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

func TestPackedLogsReadLikePlainOnes(t *testing.T) {
	defer goleak.VerifyNone(t)
	content := generated(t, 300, 1)
	half := len(content) / 2
	for name, log := range map[string][]byte{
		"plain":            content,
		"gzip":             gzipped(t, content),
		"gzip in two":      append(gzipped(t, content[:half]), gzipped(t, content[half:])...),
		"zstd":             zstandard(t, content),
		"zstd in two":      append(zstandard(t, content[:half]), zstandard(t, content[half:])...),
		"nothing":          {},
		"shorter than one": {0x1f},
	} {
		r, err := Decompress(bytes.NewReader(log))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(r)
		want := content
		if len(log) < 2 {
			want = log
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBrokenPacksAreErrors(t *testing.T) {
	content := generated(t, 300, 1)
	for name, log := range map[string][]byte{
		"gzip header":       {0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0},
		"gzip cut":          gzipped(t, content)[:500],
		"zstd cut":          zstandard(t, content)[:500],
		"zstd large window": {0x28, 0xb5, 0x2f, 0xfd, 0, 16 << 3, 1, 0, 0}, // 64 MiB, one empty block
	} {
		r, err := Decompress(bytes.NewReader(log))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			_ = r.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFindsTheFilesThatCaddyRolled(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{
		"sign-in.log", "sign-in-2026-03-02T00-00-00.000.log.gz", "sign-in-2026-03-01T00-00-00.000.log", "sign-in-2026-03-03T00-00-00.000-size.log.zst",
		"sign-in-2026-03-03T00-00-01.000-time_1.log",
		"sign-in-2.log", "sign-in.log.bak", "other-2026-03-01T00-00-00.000.log", "sign-in-2026-03-01T00-00-00.000.log.tmp", "sign-in-2026-03-01.log",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Rolled(filepath.Join(folder, "sign-in.log"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], folder+string(filepath.Separator))
	}
	want := []string{
		"sign-in-2026-03-01T00-00-00.000.log", "sign-in-2026-03-02T00-00-00.000.log.gz", "sign-in-2026-03-03T00-00-00.000-size.log.zst",
		"sign-in-2026-03-03T00-00-01.000-time_1.log", "sign-in.log",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	if _, err := Rolled(filepath.Join(folder, "none", "sign-in.log")); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

func BenchmarkSummarisePackedSignIns(b *testing.B) {
	log := generated(b, 20000, 1)
	for name, packed := range map[string][]byte{"gzip": gzipped(b, log), "zstd": zstandard(b, log)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(log)))
			for b.Loop() {
				r, err := Decompress(bytes.NewReader(packed))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := summarise(r); err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
		})
	}
}
