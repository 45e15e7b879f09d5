// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// written is a log that a test writes, and the ids that a tail has read from it.
type written struct {
	*testing.T
	path string
	tail Tail
	ids  []string
	bad  []error
}

func newWritten(t *testing.T) *written {
	w := &written{T: t, path: filepath.Join(t.TempDir(), "sign-in.log")}
	w.tail = Tail{Path: w.path, Each: func(e *Entry) { w.ids = append(w.ids, e.ID) }, Malformed: func(err error) { w.bad = append(w.bad, err) }}
	t.Cleanup(w.tail.close)
	return w
}

func (w *written) write(text string) {
	w.Helper()
	file, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		w.Fatal(err)
	}
}

func (w *written) sees(ids ...string) {
	w.Helper()
	if err := w.tail.look(w.Context()); err != nil {
		w.Fatal(err)
	}
	if !reflect.DeepEqual(w.ids, ids) {
		w.Fatalf("read %q, want %q", w.ids, ids)
	}
}

func entryLine(id string) string {
	return `{"Id":"` + id + `","ConditionalAccessPolicies":"[]"}` + "\n"
}

func TestATailReadsWhatIsWrittenOnce(t *testing.T) {
	w := newWritten(t)
	w.sees() // not there yet
	w.write(entryLine("a") + entryLine("b"))
	w.sees("a", "b")
	w.sees("a", "b")
	half := entryLine("c")
	w.write(half[:20])
	w.sees("a", "b")
	w.write(half[20:] + "console line\n" + entryLine("d"))
	w.sees("a", "b", "c", "d")
}

func TestATailFollowsARolledLog(t *testing.T) {
	w := newWritten(t)
	w.write(entryLine("a"))
	w.sees("a")
	w.write(entryLine("b")) // not seen before it is rolled
	if err := os.Rename(w.path, w.path+".1"); err != nil {
		t.Fatal(err)
	}
	w.sees("a", "b")
	w.write(entryLine("c"))
	w.sees("a", "b", "c")
	if err := os.Rename(w.path, w.path+".2"); err != nil {
		t.Fatal(err)
	}
	w.write(entryLine("d"))
	w.sees("a", "b", "c", "d")
}

func TestATailBeginsAnewWhenTheLogIsCut(t *testing.T) {
	w := newWritten(t)
	w.write(entryLine("a") + entryLine("b") + `{"Id":"cut`)
	w.sees("a", "b")
	if err := os.Truncate(w.path, 0); err != nil {
		t.Fatal(err)
	}
	w.write(entryLine("c"))
	w.sees("a", "b", "c")
}

func TestATailReportsWhatItCannotReadAndKeepsOneLine(t *testing.T) {
	w := newWritten(t)
	w.write(`{"ConditionalAccessPolicies":5}` + "\n" + `{"ConditionalAccessPolicies":"` + strings.Repeat("x", 3*MaxLine) + "\n" + entryLine("a"))
	w.sees("a")
	if len(w.bad) != 2 || !errors.Is(w.bad[1], errLong) || cap(w.tail.line) > 2*MaxLine {
		t.Errorf("%v, a line of %d", w.bad, cap(w.tail.line))
	}
}

func TestATailFollowsUntilItIsToldToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWritten(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.tail.Follow(ctx) }()
		for _, id := range []string{"a", "b"} {
			w.write(entryLine(id))
			time.Sleep(time.Second)
			synctest.Wait()
		}
		cancel()
		if err := <-done; err != nil || !reflect.DeepEqual(w.ids, []string{"a", "b"}) || w.tail.file != nil {
			t.Errorf("%v, read %q", err, w.ids)
		}
	})
}

func TestATailEndsWithAnErrorOfTheFile(t *testing.T) {
	tail := Tail{Path: t.TempDir(), Each: func(*Entry) {}}
	if err := tail.Follow(t.Context()); err == nil {
		t.Error("a folder is no error")
	}
}

func TestARecordIsTheEntryThatIsReadFromIt(t *testing.T) {
	for line := range bytes.Lines(generated(t, 200, 9)) {
		var r Record
		read, err := parse(line)
		if err == nil {
			err = json.Unmarshal(line, &r)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Entry(); !reflect.DeepEqual(got, read) {
			t.Fatalf("got  %+v\nread %+v", got, read)
		}
	}
}
