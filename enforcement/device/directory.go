// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

package device

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is what a [Source] returns for a device that the directory is known not to have. Any other error means
// that nothing can be said.
var ErrNotFound = errors.New("no such device in the directory")

// State tells a device that is known not to exist from one that nothing can be said of.
type State uint8

// The states of an answer.
const (
	// Unavailable: the directory did not answer.
	Unavailable State = iota
	// Found: the directory has the device.
	Found
	// NotFound: the directory answered, and has no such device.
	NotFound
)

// Answer is what a directory says of a device.
type Answer struct {
	State State
	// Device is set where State is Found.
	Device *Device
	// Stale says that the directory does not answer now, and that this is what it said at most [StaleFor] ago.
	Stale bool
}

// Source asks a directory elsewhere about one device. A [Directory] caches what it says.
type Source interface {
	// Find returns the device with this id, [ErrNotFound], or an error that holds no secret. It ends when ctx does.
	Find(ctx context.Context, id string) (*Device, error)
	// Close gives up connections.
	Close()
}

// Watch is how a directory tells of devices that stop counting, so that what is open for them can be ended.
type Watch struct {
	// Watched returns the ids of the devices that something is open for. A directory elsewhere is asked about them
	// again whenever its answer is no longer fresh. May be nil.
	Watched func() []string
	// Withdrawn is called with the id of a device that is gone or disabled, has lost a key or changed its owners. It must
	// not block. May be nil.
	Withdrawn func(id string)
	// Trouble is called when the directory begins to fail, with why, and with nil when it answers again. For a file every
	// broken version counts as one, once it is no longer being written. The error holds no secret. It must not block. May be nil.
	Trouble func(err error)
}

// trouble reports a change for the worse or the better.
func (w *Watch) trouble(before, after error) {
	if w.Trouble != nil && (before == nil) != (after == nil) {
		w.Trouble(after)
	}
}

// Directory knows devices: from a file, or from a [Source] behind a cache. It is safe for concurrent use.
type Directory struct {
	name  string
	index *file  // nil for a directory elsewhere
	cache *cache // nil for a file
}

// Start begins the background work: noticing that the file changed, or that a watched device did. Calling it again does nothing.
func (d *Directory) Start() {
	if d.index != nil {
		d.index.start()
		return
	}
	d.cache.start()
}

// Destruct ends the background work and waits for it. It implements caddy.Destructor.
func (d *Directory) Destruct() error {
	if d.index != nil {
		d.index.stop()
		return nil
	}
	d.cache.stop()
	return nil
}

// Lookup says what the directory knows of the device with this id at the time now. It waits for a directory elsewhere, at
// most until ctx ends.
func (d *Directory) Lookup(ctx context.Context, id string, now time.Time) Answer {
	return d.lookup(ctx, id, 0, now)
}

// lookup is Lookup with patience of its own, unless that is 0.
func (d *Directory) lookup(ctx context.Context, id string, patience time.Duration, now time.Time) Answer {
	id = canonicalID(id)
	if id == "" {
		return Answer{State: NotFound}
	}
	if d.index != nil {
		return d.index.lookup(id)
	}
	return d.cache.lookup(ctx, id, patience, now)
}

// Holder returns the device that a proved key or certificate is registered for, nil if that is not known: only a file says
// what each key belongs to.
func (d *Directory) Holder(proved *Evidence) *Device {
	if d.index == nil {
		return nil
	}
	return d.index.holder(proved)
}

// Forget drops what is cached of a device, so that the next request asks anew. A file has nothing to forget.
func (d *Directory) Forget(id string) {
	if d.cache != nil {
		d.cache.forget(canonicalID(id))
	}
}

// Status is a directory's state for metrics and status pages.
type Status struct {
	// Name says which directory this is.
	Name string
	// Devices is how many devices the file has, or how many answers are cached.
	Devices int
	// Read is when the file was last read, or a directory elsewhere last answered; the zero time if never.
	Read time.Time
	// Answers and Failures count the readings or questions that succeeded and that failed.
	Answers, Failures uint64
	// Err is why the last one failed, nil if it succeeded. It holds no secret.
	Err error
}

// Status returns the state of the directory.
func (d *Directory) Status() Status {
	var status Status
	if d.index != nil {
		status = d.index.status()
	} else {
		status = d.cache.status()
	}
	status.Name = d.name
	return status
}

// withdrawn reports whether something that counted no longer does: then what is open for the device must be judged again.
func withdrawn(before, after *Device) bool {
	switch {
	case before == nil:
		return false
	case after == nil, disabled(after) && !disabled(before):
		return true
	}
	return lost(keyNames(before), keyNames(after)) || lost(before.RegisteredOwners, after.RegisteredOwners)
}

func disabled(d *Device) bool { return d.AccountEnabled != nil && !*d.AccountEnabled }

func keyNames(d *Device) []string {
	var names []string
	for i := range d.Keys {
		names = append(names, d.Keys[i].names()...)
	}
	return names
}

// lost reports whether one of the former is not among the latter.
func lost(before, after []string) bool {
	kept := make(map[string]bool, len(after))
	for _, name := range after {
		kept[name] = true
	}
	for _, name := range before {
		if !kept[name] {
			return true
		}
	}
	return false
}
