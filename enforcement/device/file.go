// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/livefile"
)

// Bounds of a directory in a file.
const (
	// MaxFile is the longest file that is read, in octets.
	MaxFile = 64 << 20
	// MaxDevices is how many devices it may have.
	MaxDevices = 200_000
	// lookEvery is how often the file is looked at: a change must count within a second, reading included.
	lookEvery = 500 * time.Millisecond
)

// NewFile returns a directory that is read from a JSON file (see [ParseList]), and read again when the file changes. A file
// that became broken never replaces a good one. It reads the file once to see that it is good.
func NewFile(path string, watch Watch) (*Directory, error) {
	f := &file{File: livefile.New(path, MaxFile), done: make(chan struct{})}
	if err := f.load(); err != nil {
		return nil, err
	}
	f.watch = watch // a file that is not good at the start is the caller's to report
	return &Directory{name: "file " + path, index: f}, nil
}

// file is a directory on disk.
type file struct {
	*livefile.File
	watch   Watch
	current atomic.Pointer[snapshot]

	answers, failures atomic.Uint64

	mu      sync.Mutex
	lastErr error

	once   sync.Once
	done   chan struct{}
	worker sync.WaitGroup
}

// snapshot is a file that was read.
type snapshot struct {
	devices map[string]*Device
	keys    map[string]*Device // by each name of each key
	read    time.Time
}

func (f *file) start() {
	f.once.Do(func() { f.worker.Go(f.follow) })
}

// stop ends the background work for good, begun or not.
func (f *file) stop() {
	f.once.Do(func() {})
	close(f.done)
	f.worker.Wait()
}

// follow reads the file again when it has changed.
func (f *file) follow() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var fresh, reported error
	for {
		select {
		case <-f.done:
			return
		case <-tick.C:
		}
		switch {
		case f.Changed():
			if fresh = f.load(); fresh == nil {
				f.watch.trouble(reported, nil)
				reported = nil
			}
		case fresh != nil: // it was not read while somebody was writing it
			f.watch.trouble(nil, fresh)
			fresh, reported = nil, fresh
		}
	}
}

// load reads the file and replaces what is held if it is good.
func (f *file) load() error {
	next, err := f.parse()
	f.mu.Lock()
	f.lastErr = err
	f.mu.Unlock()
	if err != nil {
		f.failures.Add(1)
		return err
	}
	f.answers.Add(1)
	before := f.current.Swap(next)
	if before == nil || f.watch.Withdrawn == nil {
		return nil
	}
	for id, old := range before.devices {
		if withdrawn(old, next.devices[id]) {
			f.watch.Withdrawn(id)
		}
	}
	return nil
}

func (f *file) parse() (*snapshot, error) {
	document, err := f.Read()
	if err != nil {
		return nil, err
	}
	devices, err := ParseList(document, MaxDevices)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path(), err)
	}
	next := &snapshot{
		devices: make(map[string]*Device, len(devices)), keys: make(map[string]*Device), read: time.Now(),
	}
	for _, d := range devices {
		next.devices[d.ID] = d
		for i := range d.Keys {
			for _, name := range d.Keys[i].names() {
				next.keys[strings.Clone(name)] = d
			}
		}
	}
	return next, nil
}

func (f *file) lookup(id string) Answer {
	if d := f.current.Load().devices[id]; d != nil {
		return Answer{State: Found, Device: d}
	}
	return Answer{State: NotFound}
}

// holder asks by thumbprint first: a token that names both is judged by the key that signed.
func (f *file) holder(proved *Evidence) *Device {
	keys := f.current.Load().keys
	if proved.Thumbprint != nil {
		var buffer [44]byte
		return keys[string(base64.RawURLEncoding.AppendEncode(buffer[:0], proved.Thumbprint[:]))] // which does not allocate
	}
	if proved.CertificateHash == nil {
		return nil
	}
	for _, name := range proved.certificateNames() {
		if d := keys[name]; d != nil {
			if ok, _ := d.own(proved, Certificates); ok { // a hash of the public key alone is not enough
				return d
			}
		}
	}
	return nil
}

func (f *file) status() Status {
	held := f.current.Load()
	f.mu.Lock()
	defer f.mu.Unlock()
	return Status{Devices: len(held.devices), Read: held.read, Answers: f.answers.Load(), Failures: f.failures.Load(), Err: f.lastErr}
}
