// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

var errDown = errors.New("the directory is down")

// playedSource is a directory elsewhere that tests play.
type playedSource struct {
	mu      sync.Mutex
	devices map[string]*Device
	err     error
	delay   time.Duration
	asked   atomic.Int64
	under   atomic.Int64 // questions under way
	most    atomic.Int64
	closed  atomic.Bool
}

func (s *playedSource) set(err error, devices ...*Device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.devices = err, make(map[string]*Device)
	for _, d := range devices {
		s.devices[d.ID] = d
	}
}

func (s *playedSource) Find(ctx context.Context, id string) (*Device, error) {
	s.asked.Add(1)
	if under := s.under.Add(1); under > s.most.Load() {
		s.most.Store(under)
	}
	defer s.under.Add(-1)
	s.mu.Lock()
	d, err, delay := s.devices[id], s.err, s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	switch {
	case err != nil:
		return nil, err
	case d == nil:
		return nil, ErrNotFound
	case d.ID == "panic":
		panic("x")
	}
	return d, nil
}

func (s *playedSource) Close() { s.closed.Store(true) }

// cached runs a test in virtual time with a directory elsewhere.
func cached(t *testing.T, config CacheConfig, test func(t *testing.T, s *playedSource, d *Directory)) {
	t.Helper()
	if config.Renew == 0 {
		config.Renew = -1 // what tests of renewing ask for
	}
	synctest.Test(t, func(t *testing.T) {
		s := new(playedSource)
		s.set(nil, laptop(nil))
		d, err := NewCached(s, config)
		if err != nil {
			t.Fatal(err)
		}
		d.Start()
		test(t, s, d)
		if err := d.Destruct(); err != nil || !s.closed.Load() {
			t.Errorf("%v, closed %v", err, s.closed.Load())
		}
	})
}

func expect(t *testing.T, d *Directory, id string, state State, stale bool) {
	t.Helper()
	if a := look(t, d, id); a.State != state || a.Stale != stale || (a.Device != nil) != (state == Found) {
		t.Errorf("%s: %+v, expected state %d, stale %v", id, a, state, stale)
	}
}

func questions(t *testing.T, s *playedSource, want int64) {
	t.Helper()
	if got := s.asked.Swap(0); got != want {
		t.Errorf("%d questions, expected %d", got, want)
	}
}

func TestAnAnswerIsBelievedForItsTime(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		expect(t, d, "{D1}", Found, false)
		time.Sleep(DefaultFresh - 1)
		expect(t, d, "d1", Found, false)
		questions(t, s, 1)
		s.set(nil)
		time.Sleep(time.Nanosecond)
		expect(t, d, "d1", NotFound, false)
		questions(t, s, 1)
	})
}

func TestThatADeviceIsUnknownIsBelievedForLess(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d2", NotFound, false)
		s.set(nil, &Device{ID: "d2"})
		time.Sleep(NegativeFresh - 1)
		expect(t, d, "d2", NotFound, false)
		questions(t, s, 1)
		time.Sleep(time.Nanosecond)
		expect(t, d, "d2", Found, false)
		questions(t, s, 1)
	})
}

func TestWhileItIsDownTheLastAnswerServesWithinALimit(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		expect(t, d, "d2", NotFound, false)
		s.set(errDown)
		time.Sleep(DefaultFresh)
		expect(t, d, "d1", Found, true)
		expect(t, d, "d2", Unavailable, false) // it may have been registered since
		expect(t, d, "d3", Unavailable, false)
		if status := d.Status(); !errors.Is(status.Err, errDown) || status.Failures != 3 {
			t.Errorf("status is %+v", status)
		}
		time.Sleep(StaleFor - 1)
		expect(t, d, "d1", Found, true)
		time.Sleep(time.Nanosecond)
		expect(t, d, "d1", Unavailable, false)
		s.set(nil, laptop(nil))
		time.Sleep(RetryAfter)
		expect(t, d, "d1", Found, false)
		if status := d.Status(); status.Err != nil {
			t.Errorf("status is %+v", status)
		}
	})
}

// Not every question that fails is news.
func TestTroubleElsewhereIsReportedOnce(t *testing.T) {
	var told []error
	cached(t, CacheConfig{Watch: Watch{Trouble: func(err error) { told = append(told, err) }}}, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		s.set(errDown)
		for i := range 10 {
			look(t, d, strconv.Itoa(i))
		}
		s.set(nil)
		expect(t, d, "d2", NotFound, false)
		expect(t, d, "d3", NotFound, false)
	})
	if len(told) != 2 || !errors.Is(told[0], errDown) || told[1] != nil {
		t.Errorf("told %v", told)
	}
}

func TestADirectoryThatIsDownIsNotAskedForEachRequest(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		s.set(errDown)
		for range 100 {
			expect(t, d, "d1", Unavailable, false)
			time.Sleep(100 * time.Millisecond)
		}
		questions(t, s, 2) // at 0 and 5 of 10 seconds
	})
}

func TestCopiesOfAQuestionShareOneAnswer(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		s.delay = time.Second
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() { expect(t, d, "d1", Found, false) })
		}
		all.Wait()
		questions(t, s, 1)
	})
}

func TestQuestionsUnderWayAreBounded(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		s.set(nil)
		s.delay = time.Second
		var all sync.WaitGroup
		var unavailable atomic.Int64
		for i := range 500 {
			all.Go(func() {
				if a := look(t, d, "made-up-"+strconv.Itoa(i)); a.State == Unavailable {
					unavailable.Add(1)
				}
			})
		}
		all.Wait()
		if most := s.most.Load(); most != maxQuestions || unavailable.Load() != 500-maxQuestions {
			t.Errorf("%d at once, %d unavailable", most, unavailable.Load())
		}
		if !errors.Is(d.Status().Err, errBusy) && d.Status().Err != nil {
			t.Errorf("status is %+v", d.Status())
		}
		expect(t, d, "made-up-499", NotFound, false) // being busy is not remembered
	})
}

func TestAQuestionThatHangsEndsWithItsTime(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		s.delay = time.Hour
		start := time.Now()
		expect(t, d, "d1", Unavailable, false)
		if took := time.Since(start); took != DefaultTimeout {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.Sleep(RetryAfter)
		start = time.Now()
		go cancel() // the client went away
		if a := d.Lookup(ctx, "d1", time.Now()); a.State != Unavailable || time.Since(start) != 0 {
			t.Errorf("%+v after %v", a, time.Since(start))
		}
	})
}

// Where nothing is enforced a request must not wait long for what is only recorded; the answer comes in time for the next.
func TestAnImpatientRequestLeavesItsAnswerToTheNext(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		s.delay = time.Second
		start := time.Now()
		q := &Question{ID: "d1", User: alice, Proved: signedBy("a"), Patience: 100 * time.Millisecond}
		if v := d.Judge(t.Context(), q, Demand{}, time.Now()); v.Known || v.Reason != reason.DirectoryUnavailable || time.Since(start) != q.Patience {
			t.Errorf("%+v after %v", v, time.Since(start))
		}
		time.Sleep(time.Second)
		if v := d.Judge(t.Context(), q, Demand{}, time.Now()); !v.Known || v.Reason != reason.None {
			t.Errorf("%+v", v)
		}
		questions(t, s, 1)
	})
}

func TestAPanicWhileReadingIsAFailure(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		s.set(nil, &Device{ID: "panic"})
		expect(t, d, "panic", Unavailable, false)
		if !errors.Is(d.Status().Err, errPanic) {
			t.Errorf("status is %+v", d.Status())
		}
	})
}

func TestForgettingAsksAnewAndBeatsAnAnswerUnderWay(t *testing.T) {
	cached(t, CacheConfig{}, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		d.Forget("{D1}")
		expect(t, d, "d1", Found, false)
		questions(t, s, 2)
		d.Forget("d1")
		s.delay = time.Second
		var old sync.WaitGroup
		old.Go(func() { look(t, d, "d1") })
		synctest.Wait()
		s.set(nil)
		d.Forget("d1")
		old.Wait() // had the answer of before
		expect(t, d, "d1", NotFound, false)
	})
}

func TestAnswersAreBounded(t *testing.T) {
	cached(t, CacheConfig{Entries: 10}, func(t *testing.T, s *playedSource, d *Directory) {
		for i := range 100 {
			look(t, d, strconv.Itoa(i))
		}
		if status := d.Status(); status.Devices != 10 {
			t.Errorf("status is %+v", status)
		}
	})
}

// What is open for a device must end when the directory withdraws it, without any request.
func TestWatchedDevicesAreAskedAboutAgain(t *testing.T) {
	gone := new(withdrawals)
	watch := Watch{Watched: func() []string { return []string{"d1", "d2"} }, Withdrawn: gone.note}
	for name, after := range map[string]*Device{
		"disabled": laptop(func(d *Device) { d.AccountEnabled = no() }), "without its key": laptop(func(d *Device) { d.Keys = nil }), "gone": nil,
	} {
		t.Run(name, func(t *testing.T) {
			cached(t, CacheConfig{Renew: DefaultRenew, Watch: watch}, func(t *testing.T, s *playedSource, d *Directory) {
				expect(t, d, "d1", Found, false)
				time.Sleep(10 * time.Second)
				if asked := s.asked.Load(); asked < 18 || gone.take() != "d2" { // of which nothing was known
					t.Errorf("%d questions", asked)
				}
				if s.set(nil); after != nil {
					s.set(nil, after)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if got := gone.take(); got != "d1" {
					t.Errorf("withdrawn is %q", got)
				}
			})
		})
	}
}

// A directory that is down withdraws nothing.
func TestBeingDownWithdrawsNothing(t *testing.T) {
	gone := new(withdrawals)
	watch := Watch{Watched: func() []string { return []string{"d1"} }, Withdrawn: gone.note}
	cached(t, CacheConfig{Renew: DefaultRenew, Watch: watch}, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		s.set(errDown)
		time.Sleep(time.Hour)
		if got := gone.take(); got != "" {
			t.Errorf("withdrawn is %q", got)
		}
	})
}

func TestWhatCannotBeConfiguredIsRefused(t *testing.T) {
	for _, config := range []CacheConfig{{Fresh: time.Millisecond}, {Fresh: 2 * time.Hour}, {Fresh: -1}, {Timeout: -1}, {Timeout: time.Hour}, {Entries: -1}, {Renew: time.Minute, Fresh: time.Second}} {
		if _, err := NewCached(new(playedSource), config); err == nil {
			t.Errorf("accepted %+v", config)
		}
	}
}

func TestACachedAnswerAllocatesNothing(t *testing.T) {
	s := new(playedSource)
	s.set(nil, laptop(nil))
	d, err := NewCached(s, CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Destruct() }()
	now := time.Now()
	d.Lookup(t.Context(), "d1", now)
	if n := testing.AllocsPerRun(1000, func() { d.Lookup(t.Context(), "d1", now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
