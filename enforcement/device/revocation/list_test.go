// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package revocation

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func key(name string) jose.Thumbprint { return sha256.Sum256([]byte(name)) }

func revoke(t testing.TB, l *List, entry Entry) {
	t.Helper()
	if err := l.Revoke(entry, noon); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsRevokedCountsUntilItIsRestored(t *testing.T) {
	l := New(0, 0)
	revoke(t, l, Entry{Device: "{D1}"})
	revoke(t, l, Entry{Thumbprint: key("a").String()})
	for name, c := range map[string]struct {
		device string
		keys   []jose.Thumbprint
		want   reason.Reason
	}{
		"the device":              {"d1", []jose.Thumbprint{key("b")}, reason.DeviceRevoked},
		"in another spelling":     {"{d1}", nil, reason.DeviceRevoked},
		"the key":                 {"d2", []jose.Thumbprint{key("a")}, reason.KeyRevoked},
		"the key of no device":    {"", []jose.Thumbprint{key("a")}, reason.KeyRevoked},
		"one of two keys":         {"d2", []jose.Thumbprint{key("b"), key("a")}, reason.KeyRevoked},
		"another device and key":  {"d2", []jose.Thumbprint{key("b")}, reason.None},
		"nothing":                 {"", nil, reason.None},
		"a key that is not there": {"", []jose.Thumbprint{{}}, reason.None},
	} {
		if got := l.Check(c.device, c.keys...); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
	for _, entry := range []Entry{{Device: "D1"}, {Thumbprint: key("a").String()}} {
		if there, err := l.Restore(entry); !there || err != nil {
			t.Errorf("%+v: %v, %v", entry, there, err)
		}
		if there, err := l.Restore(entry); there || err != nil {
			t.Errorf("again, %+v: %v, %v", entry, there, err)
		}
	}
	if got := l.Check("d1", key("a")); got != reason.None {
		t.Errorf("restored, and still %q", got)
	}
}

func TestTheListSaysWhenAndWhy(t *testing.T) {
	l := New(0, 0)
	if err := l.Revoke(Entry{Thumbprint: key("a").String(), Note: "stolen"}, noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	revoke(t, l, Entry{Device: "D1", Revoked: noon.Add(time.Hour)}) // when it was is not the caller's to say
	if err := l.Revoke(Entry{Device: "d1", Note: "lost"}, noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	want := []Entry{{Device: "d1", Revoked: noon, Note: "lost"}, {Thumbprint: key("a").String(), Revoked: noon.Add(time.Second), Note: "stolen"}}
	if got := l.List(); l.Len() != len(want) || !reflect.DeepEqual(got, want) {
		t.Errorf("list is %+v", got)
	}
}

func TestWhatNamesNothingIsRefused(t *testing.T) {
	l := New(0, 0)
	for _, entry := range []Entry{
		{}, {Device: "d", Thumbprint: key("a").String()}, {Device: "a b"}, {Device: "{}"}, {Device: strings.Repeat("d", maxDevice+1)},
		{Thumbprint: "short"}, {Thumbprint: key("a").String() + "="}, {Device: "d\n"},
	} {
		if err := l.Revoke(entry, noon); !errors.Is(err, ErrSubject) {
			t.Errorf("%+v: %v", entry, err)
		}
		if _, err := l.Restore(entry); !errors.Is(err, ErrSubject) {
			t.Errorf("restore %+v: %v", entry, err)
		}
	}
	if err := l.Revoke(Entry{Device: "d", Note: strings.Repeat("x", maxNote+1)}, noon); err == nil || len(l.List()) != 0 {
		t.Errorf("a long note: %v", err)
	}
}

// A revocation that were forgotten would let a thief in again.
func TestAFullListForgetsNothing(t *testing.T) {
	l := New(2, 0)
	revoke(t, l, Entry{Device: "d1"})
	revoke(t, l, Entry{Device: "d2"})
	if err := l.Revoke(Entry{Device: "d3"}, noon); !errors.Is(err, ErrFull) {
		t.Errorf("error is %v", err)
	}
	revoke(t, l, Entry{Device: "d1", Note: "again"})
	if l.Check("d1") == reason.None || l.Check("d2") == reason.None || l.Check("d3") != reason.None {
		t.Errorf("list is %+v", l.List())
	}
}

// ended reports whether a watch has ended, without waiting.
func ended(w *Watch) bool {
	select {
	case <-w.Done():
		return true
	default:
		return false
	}
}

func watch(t testing.TB, l *List, device string, keys ...jose.Thumbprint) *Watch {
	t.Helper()
	w, err := l.Watch(device, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWhatIsOpenEndsWhenItIsRevoked(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(*List) error
		want reason.Reason
	}{
		"the device":              {func(l *List) error { return l.Revoke(Entry{Device: "D1"}, noon) }, reason.DeviceRevoked},
		"the key":                 {func(l *List) error { return l.Revoke(Entry{Thumbprint: key("a").String()}, noon) }, reason.KeyRevoked},
		"the certificate":         {func(l *List) error { return l.Revoke(Entry{Thumbprint: key("c").String()}, noon) }, reason.KeyRevoked},
		"by the device directory": {func(l *List) error { l.Withdraw("D1"); return nil }, reason.DeviceWithdrawn},
	} {
		l := New(0, 0)
		mine, others := watch(t, l, "d1", key("a"), key("c")), watch(t, l, "d2", key("b"))
		if ended(mine) || mine.Reason() != reason.None {
			t.Errorf("%s: ended before", name)
		}
		if err := c.act(l); err != nil {
			t.Fatal(err)
		}
		if !ended(mine) || mine.Reason() != c.want {
			t.Errorf("%s: ended %v, %q", name, ended(mine), mine.Reason())
		}
		if ended(others) || others.Reason() != reason.None {
			t.Errorf("%s: another device's stream ended", name)
		}
		if err := l.Revoke(Entry{Device: "d1"}, noon); err != nil || mine.Reason() != c.want { // ending twice is nothing new
			t.Errorf("%s: %v, %q", name, err, mine.Reason())
		}
		mine.Close()
		others.Close()
	}
}

// Between the judgement of a request and its watch lies a moment.
func TestWhatWasRevokedBeforeTheWatchBeganEndsItAtOnce(t *testing.T) {
	l := New(0, 0)
	revoke(t, l, Entry{Thumbprint: key("a").String()})
	w := watch(t, l, "d1", key("a"))
	defer w.Close()
	if !ended(w) || w.Reason() != reason.KeyRevoked {
		t.Errorf("ended %v, %q", ended(w), w.Reason())
	}
}

func TestAWatchCanBeEndedByItsHolder(t *testing.T) {
	l := New(0, 0)
	mine, others := watch(t, l, "d1"), watch(t, l, "d1")
	mine.End(reason.DeviceWithdrawn)
	mine.End(reason.KeyRevoked)
	if !ended(mine) || mine.Reason() != reason.DeviceWithdrawn || ended(others) {
		t.Errorf("ended %v, %q; the other %v", ended(mine), mine.Reason(), ended(others))
	}
	mine.Close()
	others.Close()
}

func TestWatchesAreBoundedAndLeaveNothing(t *testing.T) {
	l := New(0, 3)
	var all []*Watch
	for i := range 3 {
		all = append(all, watch(t, l, fmt.Sprint("d", i), key("a")))
	}
	if _, err := l.Watch("d9"); !errors.Is(err, ErrTooMany) {
		t.Errorf("error is %v", err)
	}
	if len(l.Watched()) != 3 || l.Open() != 3 {
		t.Errorf("watched are %q", l.Watched())
	}
	for _, w := range all {
		w.Close()
		w.Close()
	}
	if l.Open() != 0 || len(l.devices) != 0 || len(l.keys) != 0 {
		t.Errorf("%d open, %v, %v", l.Open(), l.devices, l.keys)
	}
	watch(t, l, "").Close()
}

// One device must not use up what others need.
func TestOneDeviceCannotUseUpTheWatches(t *testing.T) {
	l := New(0, 0)
	for range maxOfOne {
		defer watch(t, l, "greedy", key("greedy")).Close()
	}
	for name, c := range map[string]struct {
		device string
		key    jose.Thumbprint
		want   error
	}{
		"the same device": {"greedy", key("other"), ErrTooMany}, "the same key": {"other", key("greedy"), ErrTooMany}, "another": {"other", key("other"), nil},
	} {
		if w, err := l.Watch(c.device, c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v", name, err)
		} else if err == nil {
			w.Close()
		}
	}
}

// What is open always ends, whichever of the two comes first.
func TestNoStreamSlipsThroughARevocation(t *testing.T) {
	for range 200 {
		l := New(0, 0)
		var both sync.WaitGroup
		var w *Watch
		both.Go(func() { w = watch(t, l, "d1", key("a")) })
		both.Go(func() { _ = l.Revoke(Entry{Device: "d1"}, noon) })
		both.Wait()
		if !ended(w) {
			t.Fatal("the stream stays open")
		}
		w.Close()
	}
}

// Issue 4: revoking takes effect within a second on the node, open streams included.
func TestTenThousandStreamsEndWithinASecond(t *testing.T) {
	l := New(0, 0)
	var gone sync.WaitGroup
	for range 10_000 {
		w := watch(t, l, "d1", key("a"))
		gone.Go(func() {
			<-w.Done()
			w.Close()
		})
	}
	start := time.Now()
	revoke(t, l, Entry{Device: "d1"}) // all of them are done when it returns
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
	gone.Wait()
	if l.Open() != 0 {
		t.Errorf("%d open", l.Open())
	}
}

func TestALookCostsNoAllocation(t *testing.T) {
	l := New(0, 0)
	look := func() { l.Check("47f577e3-d2d0-4a0a-8aca-e0501098bde4", key("a")) }
	if n := testing.AllocsPerRun(1000, look); n != 0 {
		t.Errorf("%v allocations on an empty list", n)
	}
	revoke(t, l, Entry{Device: "d1"})
	if n := testing.AllocsPerRun(1000, look); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
