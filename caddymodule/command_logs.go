// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/signin"
)

// logFiles reads sign-in logs for a command. What could not be read as a record is a warning; a file that could not be read
// is an error.
type logFiles struct {
	stdin  io.Reader
	stderr io.Writer
	rolled bool // read also what Caddy rolled the files into
}

func (l *logFiles) read(paths []string, each func(*signin.Entry)) error {
	paths, err := l.expand(paths)
	if err != nil {
		return err
	}
	progress := newProgress(l.stderr, paths)
	defer progress.end()
	for _, path := range paths {
		if err := l.readOne(path, progress, each); err != nil {
			progress.end()
			var malformed *signin.MalformedError
			if !errors.As(err, &malformed) {
				return fmt.Errorf("%s: %w", path, err)
			}
			fmt.Fprintf(l.stderr, "warning: %s: %v\n", path, err)
		}
	}
	return nil
}

func (l *logFiles) readOne(path string, progress *progress, each func(*signin.Entry)) error {
	source := l.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return errors.Unwrap(err) // the path is named by the caller
		}
		defer file.Close()
		source = file
	}
	log, err := signin.Decompress(progress.of(source))
	if err != nil {
		return err
	}
	defer log.Close()
	return signin.Read(log, func(e *signin.Entry) error {
		each(e)
		return nil
	})
}

// follow reads the files and goes on with what is written to them, until ctx is done. What Caddy has rolled or packed, and
// standard input, is read once.
func (l *logFiles) follow(ctx context.Context, paths []string, each func(*signin.Entry)) error {
	for _, path := range paths {
		if _, err := os.Stat(path); path != "-" && err != nil {
			return err
		}
	}
	files, err := l.expand(paths)
	if err != nil {
		return err
	}
	var once, growing []string
	for _, path := range files {
		if path != "-" && !packed(path) && slices.Contains(paths, path) {
			growing = append(growing, path)
		} else {
			once = append(once, path)
		}
	}
	following, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // may wait for standard input when the command ends
		quiet := logFiles{stdin: l.stdin, stderr: struct{ io.Writer }{l.stderr}}
		if err := quiet.read(once, each); err != nil {
			cancel(err)
		}
	}()
	var tails sync.WaitGroup
	for _, path := range growing {
		tails.Go(func() {
			if err := l.tail(following, path, each); err != nil {
				cancel(fmt.Errorf("%s: %w", path, err))
			}
		})
	}
	<-following.Done()
	tails.Wait()
	if ctx.Err() != nil {
		return nil // as asked
	}
	return context.Cause(following)
}

func (l *logFiles) tail(ctx context.Context, path string, each func(*signin.Entry)) error {
	var once sync.Once
	tail := signin.Tail{Path: path, Each: each, Malformed: func(err error) {
		once.Do(func() {
			fmt.Fprintf(l.stderr, "warning: %s: a sign-in record could not be read: %v; further ones are skipped in silence\n", path, err)
		})
	}}
	return tail.Follow(ctx)
}

func packed(path string) bool {
	return strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".zst")
}

// expand lists all files to read, each once: the same file under two names would count twice.
func (l *logFiles) expand(paths []string) (files []string, err error) {
	var known []os.FileInfo
	for _, path := range paths {
		group := []string{path}
		if l.rolled && path != "-" {
			if group, err = signin.Rolled(path); err != nil {
				return nil, err
			}
		}
		for _, file := range group {
			info, err := os.Stat(file)
			if file != "-" && err != nil {
				return nil, err
			}
			if file != "-" && l.isKnown(info, known) {
				fmt.Fprintf(l.stderr, "warning: %s: given twice, read once\n", file)
				continue
			}
			known = append(known, info)
			files = append(files, file)
		}
	}
	return files, nil
}

func (l *logFiles) isKnown(info os.FileInfo, known []os.FileInfo) bool {
	for _, other := range known {
		if other != nil && os.SameFile(info, other) {
			return true
		}
	}
	return false
}

// progress shows on a terminal how much has been read. On anything else it shows nothing.
type progress struct {
	terminal io.Writer // nil if there is none
	total    int64     // 0 if it is not known
	done     int64
	shown    time.Time
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func newProgress(stderr io.Writer, paths []string) *progress {
	if !isTerminal(stderr) {
		return &progress{}
	}
	p := &progress{terminal: stderr, shown: time.Now()}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() { // standard input, or a pipe
			p.total = 0
			break
		}
		p.total += info.Size()
	}
	return p
}

// of returns r, counted.
func (p *progress) of(r io.Reader) io.Reader {
	if p.terminal == nil {
		return r
	}
	return io.TeeReader(r, p)
}

// Write counts what was read, and shows it ten times a second.
func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	if now := time.Now(); now.Sub(p.shown) > 100*time.Millisecond {
		p.shown = now
		p.show()
	}
	return len(b), nil
}

const barWidth = 30

func (p *progress) show() {
	if p.total <= 0 {
		fmt.Fprintf(p.terminal, "\r%d MB read", p.done>>20)
		return
	}
	share := min(float64(p.done)/float64(p.total), 1)
	bar := make([]byte, barWidth)
	for i := range bar {
		bar[i] = ' '
		if float64(i) < share*barWidth {
			bar[i] = '='
		}
	}
	fmt.Fprintf(p.terminal, "\r[%s] %3.0f%% of %d MB", bar, share*100, p.total>>20)
}

// end clears the line.
func (p *progress) end() {
	if p.terminal != nil {
		fmt.Fprint(p.terminal, "\r\x1b[K")
	}
}
