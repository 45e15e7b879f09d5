// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// renewing is the default: a minute of belief, a second between questions.
var renewing = CacheConfig{Renew: DefaultRenew}

// Issue 4: what the directory takes away counts within a second, for a device that is in use, without a request that waits.
func TestAChangeElsewhereCountsWithinASecond(t *testing.T) {
	cached(t, renewing, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		for idle := range 5 {
			time.Sleep(time.Duration(10*idle) * time.Second)
			s.set(nil)
			time.Sleep(time.Second)
			synctest.Wait()
			before := s.asked.Load()
			expect(t, d, "d1", NotFound, false)
			if s.asked.Load() != before {
				t.Error("a request had to wait")
			}
			s.set(nil, laptop(nil))
			time.Sleep(time.Second)
			synctest.Wait()
			expect(t, d, "d1", Found, false)
		}
	})
}

// A device that is not used any more is not asked about, and what was known of it is not believed.
func TestADeviceOutOfUseIsLeftAlone(t *testing.T) {
	cached(t, renewing, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		time.Sleep(DefaultFresh + time.Second)
		synctest.Wait()
		s.asked.Store(0)
		time.Sleep(time.Hour)
		questions(t, s, 0)
		expect(t, d, "d1", Found, false)
		questions(t, s, 1)
		time.Sleep(DefaultFresh + time.Second) // released a moment ago
		synctest.Wait()
		s.asked.Store(0)
		s.set(nil)
		expect(t, d, "d1", NotFound, false)
		questions(t, s, 1)
	})
}

func TestADeviceOutOfUseStillServesWhileTheDirectoryIsDown(t *testing.T) {
	cached(t, renewing, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		time.Sleep(DefaultFresh + time.Second)
		s.set(errDown)
		expect(t, d, "d1", Found, true)
		expect(t, d, "d1", Found, true)
	})
}

// Renewing must not be what brings a directory down.
func TestRenewingIsBoundedAndFair(t *testing.T) {
	cached(t, renewing, func(t *testing.T, s *playedSource, d *Directory) {
		var devices []*Device
		for i := range 200 {
			devices = append(devices, &Device{ID: strconv.Itoa(i)})
		}
		s.set(nil, devices...)
		for _, device := range devices {
			expect(t, d, device.ID, Found, false)
		}
		s.asked.Store(0)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if asked := s.asked.Load(); asked < 390 || asked > 400 {
			t.Errorf("%d questions in 20 seconds", asked)
		}
		now := time.Now()
		for _, device := range devices { // each had its turn
			if age := now.Sub(d.cache.held(device.ID).known); age > 11*time.Second {
				t.Errorf("%s is %v old", device.ID, age)
			}
		}
		for i := range 2 * maxActive {
			look(t, d, "many-"+strconv.Itoa(i))
		}
		if n := len(d.cache.active); n > maxActive {
			t.Errorf("%d in use", n)
		}
	})
}

// A directory that is down is not asked faster because devices are in use.
func TestRenewingGoesEasyOnADirectoryThatIsDown(t *testing.T) {
	cached(t, renewing, func(t *testing.T, s *playedSource, d *Directory) {
		expect(t, d, "d1", Found, false)
		s.set(errDown)
		time.Sleep(time.Second)
		synctest.Wait()
		s.asked.Store(0)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if asked := s.asked.Load(); asked < 3 || asked > 5 {
			t.Errorf("%d questions in 20 seconds", asked)
		}
		expect(t, d, "d1", Found, false) // it is still fresh
		s.set(nil)
		time.Sleep(RetryAfter + time.Second)
		synctest.Wait()
		expect(t, d, "d1", NotFound, false)
	})
}
