// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"slices"
	"sync"
	"time"
)

// start begins to renew what is known of devices that are in use.
func (c *cache) start() {
	c.once.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.config.Renew > 0 && c.alive.Err() == nil {
			c.worker.Go(c.follow)
		}
	})
}

// stop ends the background work and the questions under way.
func (c *cache) stop() {
	c.mu.Lock()
	c.kill()
	c.mu.Unlock() // from here on neither start nor fly starts anything
	c.worker.Wait()
	c.source.Close()
}

func (c *cache) follow() {
	tick := time.NewTicker(renewTick)
	defer tick.Stop()
	for {
		select {
		case <-c.alive.Done():
			return
		case <-tick.C:
			c.renew(time.Now())
		}
	}
}

// renew asks about the devices in use whose answers are the oldest.
func (c *cache) renew(now time.Time) {
	var round sync.WaitGroup
	for _, id := range c.overdue(now) {
		round.Go(func() { c.ask(c.alive, id, c.config.Timeout, now) })
	}
	round.Wait()
}

// overdue picks the devices to ask about, and lets go of those that are no longer in use.
func (c *cache) overdue(now time.Time) []string {
	var watched []string
	if c.config.Watch.Watched != nil {
		watched = c.config.Watch.Watched()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var due []string
	for _, id := range watched {
		c.touch(id, now)
		if !c.entries.Contains(id) {
			due = append(due, id)
		}
	}
	for id, used := range c.active {
		held, _ := c.entries.Peek(id)
		switch {
		case now.Sub(used) > c.config.Fresh:
			c.release(id, held)
		case held.known.IsZero() && held.failed.IsZero(): // forgotten: the next request asks, unless something is open
		case !held.failed.IsZero() && now.Sub(held.failed) < RetryAfter:
		case now.Sub(held.known) >= c.config.Renew/2: // at every other tick it would be late
			due = append(due, id)
		}
	}
	return c.oldest(due)
}

// oldest are those whose answers are the oldest, as many as are asked about at once; it needs the lock.
func (c *cache) oldest(due []string) []string {
	if len(due) <= maxRenewals {
		return due
	}
	age := func(id string) time.Time {
		held, _ := c.entries.Peek(id)
		return held.known
	}
	slices.SortFunc(due, func(a, b string) int { return age(a).Compare(age(b)) })
	return due[:maxRenewals]
}

// release stops renewing a device. What is known of it is not believed any more, for it may change from now on; it serves
// only while the directory does not answer. It needs the lock.
func (c *cache) release(id string, held entry) {
	delete(c.active, id)
	if !held.known.IsZero() {
		held.due = true
		c.entries.Add(id, held)
	}
}
