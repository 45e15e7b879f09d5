// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

// How a directory elsewhere is asked.
const (
	// DefaultFresh is how long an answer is believed: a change in the directory counts after that time at the latest.
	DefaultFresh = time.Minute
	// MinFresh and MaxFresh bound what may be configured.
	MinFresh, MaxFresh = time.Second, time.Hour
	// NegativeFresh is how long it is believed that there is no such device: one that was just registered waits no longer.
	NegativeFresh = 10 * time.Second
	// StaleFor is how long an answer that is no longer fresh still serves while the directory does not answer.
	StaleFor = 15 * time.Minute
	// RetryAfter is how long a directory that did not answer about a device is not asked about it again.
	RetryAfter = 5 * time.Second
	// DefaultTimeout bounds one question, and how long a request waits for it.
	DefaultTimeout = 3 * time.Second
	// DefaultEntries is how many answers are kept.
	DefaultEntries = 20_000
	// DefaultRenew is how often a device that is in use is asked about again, so that what the directory takes away counts
	// within a second.
	DefaultRenew = time.Second
	// maxQuestions bounds the questions under way.
	maxQuestions = 32
)

// Renewing must not be what brings a directory down: with more devices in use than this allows for, each is asked about
// less often, and after Fresh at the latest.
const (
	renewTick = 500 * time.Millisecond
	// maxRenewals is how many devices are asked about at a tick: 20 a second.
	maxRenewals = 10
	// maxActive is how many devices are kept in mind as in use.
	maxActive = 4096
)

var (
	errBusy  = errors.New("too many questions are under way")
	errPanic = errors.New("unexpected failure while reading the answer")
)

// CacheConfig is how a directory elsewhere is asked and remembered.
type CacheConfig struct {
	// Name says in logs and metrics which directory this is. It must hold no secret.
	Name string
	// Fresh is how long an answer is believed; 0 means [DefaultFresh].
	Fresh time.Duration
	// Renew is how often a device that is in use is asked about again in the background: one that was looked up within
	// Fresh, or that something is open for. 0 means [DefaultRenew]; negative means never.
	Renew time.Duration
	// Timeout bounds one question; 0 means [DefaultTimeout].
	Timeout time.Duration
	// Entries is how many answers are kept; 0 means [DefaultEntries].
	Entries int
	// Watch is how the directory tells of devices that stop counting.
	Watch Watch
}

// NewCached returns a directory that asks source and remembers its answers. Copies of one question share one answer. It
// opens no connection.
func NewCached(source Source, config CacheConfig) (*Directory, error) {
	if config.Fresh == 0 {
		config.Fresh = DefaultFresh
	}
	if config.Renew == 0 {
		config.Renew = DefaultRenew
	}
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if config.Entries == 0 {
		config.Entries = DefaultEntries
	}
	switch {
	case config.Fresh < MinFresh || config.Fresh > MaxFresh:
		return nil, fmt.Errorf("fresh: %v is out of range; expected a duration from %v to %v", config.Fresh, MinFresh, MaxFresh)
	case config.Renew > config.Fresh:
		return nil, fmt.Errorf("renew: %v is longer than fresh, %v; expected a shorter duration", config.Renew, config.Fresh)
	case config.Timeout < 0 || config.Timeout > time.Minute:
		return nil, fmt.Errorf("timeout: %v is out of range; expected a duration up to 1m", config.Timeout)
	case config.Entries < 0:
		return nil, fmt.Errorf("entries: %d is not a positive number", config.Entries)
	}
	entries, err := lru.New[string, entry](config.Entries)
	if err != nil {
		return nil, err
	}
	alive, kill := context.WithCancel(context.Background())
	return &Directory{name: config.Name, cache: &cache{
		source: source, config: config, entries: entries, active: make(map[string]time.Time),
		slots: make(chan struct{}, maxQuestions), alive: alive, kill: kill,
	}}, nil
}

// cache stands in front of a source.
type cache struct {
	source  Source
	config  CacheConfig
	flights singleflight.Group
	slots   chan struct{}

	answers, failures atomic.Uint64

	mu      sync.Mutex // guards what follows, and makes reading and replacing an entry one step
	entries *lru.Cache[string, entry]
	active  map[string]time.Time // when each device that is renewed was last looked up
	epoch   uint64               // rises when something is forgotten: answers to older questions are not kept
	read    time.Time
	lastErr error

	once   sync.Once
	alive  context.Context
	kill   context.CancelFunc
	worker sync.WaitGroup // the questions under way too
}

// entry is what is known of one device.
type entry struct {
	device *Device   // nil for one that is known not to exist
	known  time.Time // when the directory said so; the zero time if it never did
	failed time.Time // when the directory last failed to answer; the zero time if it answered since
	due    bool      // it was renewed for a while, and is no longer: it is not believed any more
}

// fresh returns the answer if it needs no question.
func (e entry) fresh(config *CacheConfig, now time.Time) (Answer, bool) {
	age := now.Sub(e.known)
	switch {
	case e.known.IsZero(), e.due:
		return Answer{}, false
	case e.device == nil:
		return Answer{State: NotFound}, age < min(NegativeFresh, config.Fresh)
	}
	return Answer{State: Found, Device: e.device}, age < config.Fresh
}

// unanswered is what is said while the directory does not answer. That a device did not exist is not held on to: it
// may have been registered since.
func (e entry) unanswered(config *CacheConfig, now time.Time) Answer {
	if e.device == nil || now.Sub(e.known) >= config.Fresh+StaleFor {
		return Answer{State: Unavailable}
	}
	return Answer{State: Found, Device: e.device, Stale: true}
}

func (c *cache) lookup(ctx context.Context, id string, patience time.Duration, now time.Time) Answer {
	held := c.use(id, now)
	if answer, ok := held.fresh(&c.config, now); ok {
		return answer
	}
	if !held.failed.IsZero() && now.Sub(held.failed) < RetryAfter {
		return held.unanswered(&c.config, now)
	}
	if patience <= 0 || patience > c.config.Timeout {
		patience = c.config.Timeout
	}
	return c.ask(ctx, id, patience, now)
}

// use is held for a request: the device is then in use.
func (c *cache) use(id string, now time.Time) entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, _ := c.entries.Get(id)
	if held.device != nil && c.config.Renew > 0 {
		c.touch(id, now)
	}
	return held
}

// touch needs the lock.
func (c *cache) touch(id string, now time.Time) {
	if _, known := c.active[id]; known || len(c.active) < maxActive {
		c.active[id] = now
	}
}

func (c *cache) held(id string) entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, _ := c.entries.Get(id)
	return held
}

// ask waits for an answer until ctx or its patience ends. The question goes on without the request:
// others may wait for it.
func (c *cache) ask(ctx context.Context, id string, patience time.Duration, now time.Time) Answer {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case result := <-c.flights.DoChan(id, func() (any, error) { return c.fly(id, now), nil }):
		return result.Val.(Answer)
	case <-ctx.Done():
	case <-timer.C:
	}
	return c.held(id).unanswered(&c.config, now)
}

// fly asks once, unless too many questions are under way, and keeps the answer.
func (c *cache) fly(id string, now time.Time) Answer {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return c.busy(id, now)
	}
	c.mu.Lock()
	epoch, dead := c.epoch, c.alive.Err() != nil
	if !dead {
		c.worker.Add(1)
	}
	c.mu.Unlock()
	if dead {
		return Answer{State: Unavailable}
	}
	defer c.worker.Done()
	ctx, cancel := context.WithTimeout(c.alive, c.config.Timeout)
	defer cancel()
	found, err := c.find(ctx, id)
	return c.keep(id, found, err, now, epoch)
}

// busy is not remembered of the device: it was not asked about.
func (c *cache) busy(id string, now time.Time) Answer {
	c.failures.Add(1)
	c.mu.Lock()
	last := c.lastErr
	c.lastErr = errBusy
	held, _ := c.entries.Get(id)
	c.mu.Unlock()
	c.config.Watch.trouble(last, errBusy)
	return held.unanswered(&c.config, now)
}

// find contains a panic: what is read comes from elsewhere, and the flight has no request that would.
func (c *cache) find(ctx context.Context, id string) (found *Device, err error) {
	defer func() {
		if recover() != nil {
			found, err = nil, errPanic
		}
	}()
	return c.source.Find(ctx, id)
}

// keep remembers what became of a question, and says so.
func (c *cache) keep(id string, found *Device, err error, now time.Time, epoch uint64) Answer {
	answered := err == nil || errors.Is(err, ErrNotFound)
	c.mu.Lock()
	before, _ := c.entries.Get(id)
	after, last := entry{device: found, known: now}, c.lastErr
	if answered {
		c.answers.Add(1)
		c.read, c.lastErr = now, nil
	} else {
		c.failures.Add(1)
		c.lastErr = err
		after = before
		after.failed = now
	}
	if c.epoch == epoch {
		c.entries.Add(id, after)
		if _, renewed := c.active[id]; found != nil && c.config.Renew > 0 && !renewed { // being asked about is no use
			c.touch(id, now)
		}
	}
	c.mu.Unlock()
	if answered {
		err = nil
	}
	c.config.Watch.trouble(last, err)
	if !answered {
		return after.unanswered(&c.config, now)
	}
	// Where nothing was known something may be open all the same: what was known made room for others.
	gone := withdrawn(before.device, found) || before.known.IsZero() && (found == nil || disabled(found))
	if gone && c.config.Watch.Withdrawn != nil {
		c.config.Watch.Withdrawn(id)
	}
	answer, _ := after.fresh(&c.config, now)
	return answer
}

func (c *cache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.entries.Remove(id)
	c.flights.Forget(id)
}

func (c *cache) status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Status{Devices: c.entries.Len(), Read: c.read, Answers: c.answers.Load(), Failures: c.failures.Load(), Err: c.lastErr}
}
