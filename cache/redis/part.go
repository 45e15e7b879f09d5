// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// part is one hash slot of the store, and so one server. A store that is no cluster has one.
type part struct {
	store    *Store
	number   int
	state    atomic.Int32
	replicas atomic.Int64 // the most that its server ever had

	mu      sync.Mutex
	running chan struct{} // closed when the check that runs now has ended
}

// States of a part.
const (
	unknown int32 = iota // nobody has looked yet
	answers
	silent
)

// watch checks the part for as long as the store is open.
func (p *part) watch() {
	for {
		p.check(p.store.stopped)
		pause := watchInterval
		if p.state.Load() != answers {
			pause = retryInterval
		}
		select {
		case <-p.store.stopped.Done():
			return
		case <-time.After(pause):
		}
	}
}

// check looks after the generations of all sets in this part, together with everybody who asks for it at the same time,
// and returns when that is done or the context is.
func (p *part) check(ctx context.Context) {
	p.mu.Lock()
	running := p.running
	if running == nil {
		running = make(chan struct{})
		if !p.store.spawn(func() { p.look(); p.looked() }) {
			close(running)
		} else {
			p.running = running
		}
	}
	p.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
	}
}

// looked lets go of everybody who waited for the look.
func (p *part) looked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.running)
	p.running = nil
}

// look asks for every set's generation. The part answers if that succeeds.
func (p *part) look() {
	ctx, cancel := context.WithTimeout(p.store.stopped, p.store.config.deadline)
	defer cancel()
	client, err := p.store.connected()
	for _, set := range p.store.all() {
		if err == nil {
			err = p.adopt(ctx, client, set)
		}
	}
	if err != nil {
		p.fail(client, err)
		return
	}
	if p.state.Swap(answers) == silent {
		p.store.down.Add(-1)
		return // it is told when it lasts: a store that comes and goes is one outage in the log
	}
	p.store.report(nil)
}

// fail notes that the part does not answer.
func (p *part) fail(c *connection, err error) {
	p.store.drop(c)
	if p.state.Swap(silent) != silent {
		p.store.down.Add(1)
		p.store.failures.Add(1)
	}
	p.store.report(err)
}

// adopt asks for a set's generation and makes it that of the set. Question and script go over the same connection, and
// so to the same server process.
func (p *part) adopt(ctx context.Context, client rueidis.Client, set *Replay) error {
	return client.Dedicated(func(c rueidis.DedicatedClient) error {
		life := set.life().Milliseconds()
		fresh := make([]byte, 16)
		_, _ = rand.Read(fresh) // crypto/rand.Read never returns an error
		reply, err := c.Do(ctx, c.B().Eval().Script(watchScript).Numkeys(1).Key(set.generationName(p.number)).
			Arg(hex.EncodeToString(fresh), strconv.FormatInt(life, 10), strconv.FormatInt(generationLife.Milliseconds(), 10)).Build()).AsStrSlice()
		if err != nil {
			return err
		}
		said, err := parse(reply)
		if err != nil {
			return err
		}
		if err := said.fit(); err != nil {
			return err
		}
		for _, script := range []string{spendScript, lookScript} {
			text, _ := bound(script, said.server)
			if err := c.Do(ctx, c.B().ScriptLoad().Script(text).Build()).Error(); err != nil {
				return err
			}
		}
		p.replicas.Store(max(p.replicas.Load(), said.replicas))
		set.adopt(p.number, said)
		return nil
	})
}

// statement is what watchScript returned.
type statement struct {
	value, server string
	age, life     time.Duration
	version       string
	role          string
	replicas      int64
	evicts        bool // entries may go before their time
}

func parse(reply []string) (statement, error) {
	if len(reply) != 9 {
		return statement{}, fmt.Errorf("redis: %d values for a generation, expected 9", len(reply))
	}
	age, err := strconv.ParseInt(reply[2], 10, 64)
	life, err2 := strconv.ParseInt(reply[3], 10, 64)
	if err := errors.Join(err, err2); err != nil {
		return statement{}, fmt.Errorf("redis: age and life of a generation: %w", err)
	}
	replicas, _ := strconv.ParseInt(reply[6], 10, 64) // a server without that field has none
	return statement{
		value: reply[0], server: reply[1],
		age: time.Duration(age) * time.Millisecond, life: time.Duration(life) * time.Millisecond,
		version: reply[4], role: reply[5], replicas: replicas,
		evicts: reply[7] != "0" && reply[8] != "noeviction",
	}, nil
}

// fit refuses a server that could forget without anybody noticing.
func (s statement) fit() error {
	major, _, _ := strings.Cut(s.version, ".")
	number, err := strconv.Atoi(major)
	switch {
	case err != nil || number < 7:
		return fmt.Errorf("redis: the server's version is %q; expected 7.0 or later, whose scripts do not travel to replicas", s.version)
	case s.role != "master":
		return fmt.Errorf("redis: the server's role is %q; expected a primary", s.role)
	case s.evicts:
		return errors.New("redis: the server's maxmemory-policy lets spent proofs be evicted; expected noeviction")
	}
	return nil
}
