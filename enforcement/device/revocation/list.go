// Copyright 2026 The Caddy Token Protection Authors
// SPDX-License-Identifier: Apache-2.0

// Package revocation holds the devices and keys that an administrator revoked on this server. What is revoked counts for the
// next request, and at once for what is open: whoever serves a stream watches it here. The list lives in memory; what must
// outlive a restart is disabled in the device directory.
package revocation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenprotection/caddy-token-protection/enforcement/jose"
	"github.com/tokenprotection/caddy-token-protection/enforcement/reason"
)

// Bounds of a list.
const (
	// DefaultEntries is how many revocations a list holds.
	DefaultEntries = 100_000
	// DefaultWatchers is how many open streams a list watches.
	DefaultWatchers = 100_000
	// maxOfOne is how many open streams of one device or key are watched, so that one cannot use up the list.
	maxOfOne = 10_000
	// maxDevice is the longest device id, in octets.
	maxDevice = 128
	// maxNote is the longest note, in octets.
	maxNote = 256
)

// Errors of a list.
var (
	// ErrFull: nothing is forgotten for a new revocation, because a forgotten one would let a thief in again.
	ErrFull = errors.New("the revocation list is full")
	// ErrTooMany: so many streams are open, in all or of the same device or key, that no further one can be watched. It must not be opened then.
	ErrTooMany = errors.New("too many open streams are watched")
	// ErrSubject: expected a device id, or the thumbprint of a key or certificate.
	ErrSubject = errors.New("expected either device, an id, or thumbprint, 43 characters of base64url")
)

// Entry is one revocation: of a device, or of a key.
type Entry struct {
	// Device is the revoked device's id, in small letters; empty for a key.
	Device string `json:"device,omitempty"`
	// Thumbprint is the revoked key's (RFC 7638), or the SHA-256 of a revoked certificate (x5t#S256); empty for a device.
	Thumbprint string `json:"thumbprint,omitempty"`
	// Revoked is when that was.
	Revoked time.Time `json:"revoked"`
	// Note is what the administrator wrote, for other administrators.
	Note string `json:"note,omitempty"`
}

// subject is what a revocation is about, in its one spelling.
type subject struct {
	device string
	key    jose.Thumbprint
}

// subject checks the entry.
func (e Entry) subject() (subject, error) {
	if (e.Device == "") == (e.Thumbprint == "") {
		return subject{}, ErrSubject
	}
	if e.Device != "" {
		id := canonical(e.Device)
		if id == "" {
			return subject{}, ErrSubject
		}
		return subject{device: id}, nil
	}
	key, err := jose.ParseThumbprint(e.Thumbprint)
	if err != nil {
		return subject{}, ErrSubject
	}
	return subject{key: key}, nil
}

// canonical gives a device id its one spelling; it is empty if the text cannot be an id.
func canonical(id string) string {
	id = strings.TrimSuffix(strings.TrimPrefix(id, "{"), "}")
	if len(id) > maxDevice || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return strings.ToLower(id)
}

// List is a revocation list. It is safe for concurrent use.
type List struct {
	maxEntries, maxWatchers int

	size atomic.Int64 // of entries: most lists are empty, and looking at one costs a load then

	mu       sync.RWMutex
	entries  map[subject]Entry
	devices  map[string]map[*watcher]struct{}
	keys     map[jose.Thumbprint]map[*watcher]struct{}
	watchers int
}

// New returns an empty list; zeros mean the defaults.
func New(maxEntries, maxWatchers int) *List {
	if maxEntries <= 0 {
		maxEntries = DefaultEntries
	}
	if maxWatchers <= 0 {
		maxWatchers = DefaultWatchers
	}
	return &List{
		maxEntries: maxEntries, maxWatchers: maxWatchers, entries: make(map[subject]Entry),
		devices: make(map[string]map[*watcher]struct{}), keys: make(map[jose.Thumbprint]map[*watcher]struct{}),
	}
}

// Revoke adds a device or a key to the list at the time now, and ends what is open for it. Revoking again changes nothing but
// the note. Errors are [ErrSubject] and [ErrFull].
func (l *List) Revoke(entry Entry, now time.Time) error {
	about, err := entry.subject()
	if err != nil {
		return err
	}
	if len(entry.Note) > maxNote {
		return fmt.Errorf("note: %d octets, expected at most %d", len(entry.Note), maxNote)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before, again := l.entries[about]
	if !again && len(l.entries) >= l.maxEntries {
		return ErrFull
	}
	if entry.Revoked = now.UTC(); again {
		entry.Revoked = before.Revoked
	}
	if about.device != "" {
		entry.Device = about.device
	}
	l.entries[about] = entry
	l.size.Store(int64(len(l.entries)))
	if about.device != "" {
		l.end(l.devices[about.device], reason.DeviceRevoked)
	} else {
		l.end(l.keys[about.key], reason.KeyRevoked)
	}
	return nil
}

// Restore takes a device or a key from the list, and reports whether it was there.
func (l *List) Restore(entry Entry) (bool, error) {
	about, err := entry.subject()
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, there := l.entries[about]
	delete(l.entries, about)
	l.size.Store(int64(len(l.entries)))
	return there, nil
}

// Len is how many revocations there are.
func (l *List) Len() int { return int(l.size.Load()) }

// List returns all revocations, the oldest first.
func (l *List) List() []Entry {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]Entry, 0, len(l.entries))
	for _, entry := range l.entries {
		all = append(all, entry)
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if order := a.Revoked.Compare(b.Revoked); order != 0 {
			return order
		}
		return strings.Compare(a.Device+a.Thumbprint, b.Device+b.Thumbprint)
	})
	return all
}

// Check says whether a device, or one of the keys or certificates that were proved, is revoked. An empty device and keys
// of zeros are none.
func (l *List) Check(device string, keys ...jose.Thumbprint) reason.Reason {
	if l.size.Load() == 0 {
		return reason.None
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.check(canonical(device), keys)
}

// check needs the lock.
func (l *List) check(device string, keys []jose.Thumbprint) reason.Reason {
	if _, revoked := l.entries[subject{device: device}]; revoked && device != "" {
		return reason.DeviceRevoked
	}
	for _, key := range keys {
		if _, revoked := l.entries[subject{key: key}]; revoked && key != (jose.Thumbprint{}) {
			return reason.KeyRevoked
		}
	}
	return reason.None
}
